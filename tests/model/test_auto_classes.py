"""Auto classes and pipelines, each from a fresh process: with the package, and with code that travels along."""

import numpy as np
import pytest
import torch
from PIL import Image

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from tests.helpers import REPOSITORY
from tests.helpers.fresh_process import WITHOUT_PACKAGE, check_loaded, load_in_fresh_process
from tests.helpers.tiny import tiny_config

TRUST = "dict(trust_remote_code=True)"


@pytest.fixture(scope="module")
def model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    return GReFELForImageClassification(tiny_config()).eval()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    file = tmp_path_factory.mktemp("image") / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(file)
    return file


def processor(**settings) -> GReFELImageProcessor:
    return GReFELImageProcessor(size={"height": 64, "width": 64}, **settings)


def test_with_the_package(model, image, tmp_path):
    checkpoint = tmp_path / "plain"
    model.save_pretrained(checkpoint)
    processor().save_pretrained(checkpoint)
    result = load_in_fresh_process(checkpoint, image, tmp_path, "import grefel_hf", PYTHONPATH=str(REPOSITORY))
    assert all(name.startswith("grefel_hf.") for name in result["modules"])
    check_loaded(result, model, processor(), image)


def test_from_a_folder_without_the_package_and_saved_again_from_there(model, image, tmp_path):
    checkpoint, again = tmp_path / "first", tmp_path / "again"
    model.save_pretrained(checkpoint)
    processor().save_pretrained(checkpoint)
    # With nothing but the model loaded, all of the code is saved again.
    prelude = (
        f"{WITHOUT_PACKAGE}\n"
        f"loaded = AutoModelForImageClassification.from_pretrained({str(checkpoint)!r}, trust_remote_code=True)\n"
        f"loaded.save_pretrained({str(again)!r})\n"
    )
    for folder in (checkpoint, again):
        if folder == again:
            processor().save_pretrained(tmp_path / "processor")
            (again / "preprocessor_config.json").write_text(
                (tmp_path / "processor" / "preprocessor_config.json").read_text()
            )
        result = load_in_fresh_process(
            folder, image, tmp_path, prelude if folder == checkpoint else WITHOUT_PACKAGE, TRUST
        )
        assert all(name.startswith("transformers_modules.") for name in result["modules"])
        check_loaded(result, model, processor(), image)
    copies = {file.name: file.read_text() for file in checkpoint.glob("*.py")}
    assert copies == {file.name: file.read_text() for file in again.glob("*.py")}
    assert {"modeling_grefel.py", "image_processing_grefel.py", "pipeline_grefel.py", "cropping.py"} <= copies.keys()


def test_code_stays_at_home_where_the_config_says_so(tmp_path):
    GReFELForImageClassification(tiny_config(save_code=False)).save_pretrained(tmp_path)
    processor(save_code=False).save_pretrained(tmp_path)
    loaded = GReFELForImageClassification.from_pretrained(tmp_path)
    loaded.save_pretrained(tmp_path / "again")
    for folder in (tmp_path, tmp_path / "again"):
        assert not list(folder.glob("*.py"))
        assert "auto_map" not in (folder / "config.json").read_text()
    assert "auto_map" not in (tmp_path / "preprocessor_config.json").read_text()
