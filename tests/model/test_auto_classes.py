"""Auto classes and pipelines, each from a fresh process: with the package, and with code that travels along."""

import numpy as np
import pytest
import torch
from PIL import Image

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.remote_code import save_with_code
from tests.helpers import REPOSITORY
from tests.helpers.fresh_process import WITHOUT_PACKAGE, check_loaded, load_in_fresh_process
from tests.helpers.tiny import tiny_config


@pytest.fixture(scope="module")
def model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    return GReFELForImageClassification(tiny_config()).eval()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    file = tmp_path_factory.mktemp("image") / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(file)
    return file


def processor() -> GReFELImageProcessor:
    return GReFELImageProcessor(size={"height": 64, "width": 64})


def test_with_the_package(model, image, tmp_path):
    checkpoint = tmp_path / "plain"
    model.save_pretrained(checkpoint)
    processor().save_pretrained(checkpoint)
    result = load_in_fresh_process(checkpoint, image, tmp_path, "import grefel_hf", PYTHONPATH=str(REPOSITORY))
    assert all(name.startswith("grefel_hf.") for name in result["modules"])
    check_loaded(result, model, processor(), image)


def test_from_a_folder_with_its_own_code_and_without_the_package(model, image, tmp_path):
    checkpoint = tmp_path / "with-code"
    save_with_code(model, processor(), checkpoint)
    result = load_in_fresh_process(checkpoint, image, tmp_path, WITHOUT_PACKAGE, "dict(trust_remote_code=True)")
    assert all(name.startswith("transformers_modules.") for name in result["modules"])
    check_loaded(result, model, processor(), image)
