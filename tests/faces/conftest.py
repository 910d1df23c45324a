"""The detectors, and a process that has no weights for YuNet."""

import pytest

from grefel_hf.faces import detection, weights
from grefel_hf.faces.hog import HogDetector
from grefel_hf.faces.yunet import YuNetDetector
from tests.helpers.photos_of_faces import yunet_weights


@pytest.fixture(scope="module")
def hog() -> HogDetector:
    return HogDetector()


@pytest.fixture(scope="module")
def yunet() -> YuNetDetector:
    path = yunet_weights()
    if not path.is_file():
        pytest.skip("no YuNet weights: set GREFEL_YUNET to face_detection_yunet_2023mar.onnx")
    return YuNetDetector(path)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No weights anywhere and no way to fetch them; a process that has not tried yet."""
    monkeypatch.delenv("GREFEL_YUNET", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    weights.fetch_outcome.cache_clear()
    detection.log_once.cache_clear()
    yield
    weights.fetch_outcome.cache_clear()
    detection.log_once.cache_clear()
