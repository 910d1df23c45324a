"""Fixtures that several tests share: tiny models, the bundled checkpoint, and where the shared data lies."""

import os
import shutil
import tempfile
from pathlib import Path

# Before anything imports huggingface_hub, datasets or gradio: tests never reach for the network, and leave nothing in
# the user's caches.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = os.environ["HF_ASSETS_CACHE"] = tempfile.mkdtemp(prefix="grefel-tests-")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import pytest
import skimage.data
import torch
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELConfig, GReFELForImageClassification

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
