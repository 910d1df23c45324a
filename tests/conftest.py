"""Fixtures that several tests share: tiny models, the bundled checkpoint, and where the shared data lies."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Before anything imports huggingface_hub, datasets or gradio: tests never reach for the network, and leave nothing in
# the user's caches.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = os.environ["HF_ASSETS_CACHE"] = tempfile.mkdtemp(prefix="grefel-tests-")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import datasets
import httpx
import pytest
import skimage.data
import torch
from evaluation_example import EVALUATION
from page_driver import offline_environment, running_app
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELConfig, GReFELForImageClassification, GReFELImageProcessor

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"
LABELS = ["neutral", "happiness", "surprise"]


def pytest_unconfigure():
    shutil.rmtree(os.environ["HF_DATASETS_CACHE"], ignore_errors=True)


def tiny_config(**overrides) -> GReFELConfig:
    """A GReFEL that runs in milliseconds: 64-pixel crops, maps of 8, 4 and 2 cells, width 32."""
    settings = dict(
        image_size=64,
        image_backbone_size=64,
        landmark_backbone_size=32,
        window_sizes=(8, 4, 2),
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        classifier_hidden_size=16,
        num_anchors=3,
        correction_size=16,
        correction_num_heads=2,
        id2label=dict(enumerate(LABELS)),
        label2id={name: i for i, name in enumerate(LABELS)},
    )
    return GReFELConfig(**{**settings, **overrides})


@pytest.fixture
def tiny_model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    return GReFELForImageClassification(tiny_config()).eval()


@dataclass(frozen=True)
class TinyApp:
    """A running app on a tiny model, without the Hub and with the detector that needs no file."""

    url: str
    log: Path
    model: Path
    temporary: Path  # where it may leave files

    def upload(self, file: Path) -> str:
        """The server's path of an uploaded file."""
        with file.open("rb") as content:
            answer = httpx.post(f"{self.url}gradio_api/upload", files={"files": (file.name, content)}, timeout=120)
        return answer.json()[0]


def tiny_endpoint(app: TinyApp, name: str, data: list) -> tuple[str, str]:
    """The last event ("complete" or "error") and its data from an endpoint that is called by plain HTTP."""
    call = httpx.post(f"{app.url}gradio_api/call/{name}", json={"data": data}, timeout=120)
    if call.status_code != 200:
        return "error", call.text
    answer = httpx.get(f"{app.url}gradio_api/call/{name}/{call.json()['event_id']}", timeout=120).text
    event, _, content = answer.rpartition("event: ")[2].partition("\n")
    return event.strip(), content


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
