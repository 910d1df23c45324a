"""Fixtures that several tests share: tiny models, the bundled checkpoint, and where the shared data lies."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before anything imports huggingface_hub, datasets or gradio: tests never reach for the network, and leave nothing in
# the user's caches.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = os.environ["HF_ASSETS_CACHE"] = tempfile.mkdtemp(prefix="grefel-tests-")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import datasets
import pytest
import skimage.data
import torch
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from tests.helpers import REPOSITORY
from tests.helpers.evaluation_example import EVALUATION
from tests.helpers.page_driver import offline_environment, running_app
from tests.helpers.tiny import TinyApp, tiny_config

SHARED = REPOSITORY.parent / "shared"


def pytest_unconfigure():
    shutil.rmtree(os.environ["HF_DATASETS_CACHE"], ignore_errors=True)


@pytest.fixture
def tiny_model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    return GReFELForImageClassification(tiny_config()).eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A tiny model with random weights, and an evaluation: the page's behaviour does not depend on them."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    GReFELForImageClassification(tiny_config()).save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    return folder


@pytest.fixture(scope="session")
def tiny_app(tiny_checkpoint, tmp_path_factory) -> Iterator[TinyApp]:
    """`python app.py` on that model; the environment variable names it, as on a Space."""
    folder = tmp_path_factory.mktemp("app")
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = offline_environment(
        GREFEL_MODEL=str(tiny_checkpoint), GRADIO_TEMP_DIR=str(temporary / "uploads"), TMPDIR=str(temporary)
    )
    log = folder / "app.log"
    with running_app("--detector", "hog", log=log, environment=environment) as url:
        yield TinyApp(url, log, tiny_checkpoint, temporary)


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """NASA's portrait of Eileen Collins, public domain, which comes with scikit-image."""
    return Image.fromarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def astronaut_file(astronaut, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("photos") / "astronaut.png"
    astronaut.save(file)
    return file


@pytest.fixture(scope="session")
def predictor() -> FacialExpressionPredictor:
    """The bundled checkpoint with the detector that needs no file."""
    return FacialExpressionPredictor.from_pretrained(detector="hog")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Data that a user's clone does not have."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data in {SHARED.name}/ beside the repository")
    return SHARED


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """`datasets` caches in the test's own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    # `datasets` waits so long after each pass over a stream of parquet files, for threads that are gone by then.
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)
