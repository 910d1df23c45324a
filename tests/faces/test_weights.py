"""YuNet's weights: from the environment, the Hub's cache or the Hub, and never by waiting long."""

import logging
import socket
import threading
import time

import pytest

from grefel_hf.faces import weights
from grefel_hf.faces.detection import create_detector
from grefel_hf.faces.face import DetectorUnavailableError
from grefel_hf.files import file_digest
from tests.helpers.photos_of_faces import yunet_weights


@pytest.mark.parametrize("name", ["yunet", "auto"])
def test_takes_the_weights_that_the_environment_names(yunet, offline, monkeypatch, name, caplog):
    monkeypatch.setenv("GREFEL_YUNET", str(yunet_weights()))
    with caplog.at_level(logging.INFO, logger="grefel_hf"):
        assert create_detector(name).name == "yunet"
    assert ("YuNet" in caplog.text) == (name == "auto")


@pytest.mark.parametrize("name", ["yunet", "auto"])
def test_reports_a_setting_that_names_no_file(monkeypatch, tmp_path, name):
    monkeypatch.setenv("GREFEL_YUNET", str(tmp_path / "absent.onnx"))
    with pytest.raises(DetectorUnavailableError, match="GREFEL_YUNET names .*absent.onnx"):
        create_detector(name)


def test_yunet_without_weights_says_how_to_get_them(offline):
    with pytest.raises(DetectorUnavailableError, match="set GREFEL_YUNET .* or connect"):
        create_detector("yunet")


@pytest.mark.parametrize("name", ["yunet", "auto"])
def test_reports_a_setting_that_names_a_damaged_file(monkeypatch, tmp_path, name):
    (tmp_path / "damaged.onnx").write_bytes(b"<html>" * 1000)
    monkeypatch.setenv("GREFEL_YUNET", str(tmp_path / "damaged.onnx"))
    with pytest.raises(DetectorUnavailableError, match="damaged.onnx holds no YuNet weights that can be read$"):
        create_detector(name)


def test_garbage_from_the_hub_is_not_kept(offline, monkeypatch, tmp_path):
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"<html>")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(garbage))
    with pytest.raises(DetectorUnavailableError, match="what came is not that file"):
        create_detector("yunet")
    assert not garbage.exists()


def test_one_revision_is_asked_for(offline, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url, **_: asked.append(url))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, revision, **__: asked.append(revision) or "x")
    with pytest.raises(OSError, match="what came is not that file"):
        weights.fetch_weights()
    assert f"/resolve/{weights.YUNET_REVISION}/" in asked[0] and asked[1] == weights.YUNET_REVISION


def test_garbage_in_the_cache_is_no_detector(offline, tmp_path):
    cache_weights(tmp_path, b"<html>")
    assert weights.cached_weights() is None


def cache_weights(cache, content):
    folder = cache / "models--opencv--face_detection_yunet"
    commit = "0" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / weights.YUNET_FILE).write_bytes(content)


def test_auto_takes_the_weights_of_the_hubs_cache(offline, yunet, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "YUNET_SHA256", file_digest(yunet_weights()))
    cache_weights(tmp_path, yunet_weights().read_bytes())
    assert create_detector("auto").name == "yunet"


def test_auto_does_not_wait_for_a_hub_that_never_answers(offline, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            f"http://127.0.0.1:{silent.getsockname()[1]}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        )
        monkeypatch.setattr(weights, "FETCH_SECONDS", 0.5)
        start = time.monotonic()
        path, reason = weights.fetch_outcome()
        waited = time.monotonic() - start
    assert path is None and reason
    assert 0.2 < waited < 3  # it did try


def test_auto_does_not_wait_for_a_download_that_never_ends(offline, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(weights, "fetch_weights", lambda: over.wait(20) and "")
    monkeypatch.setattr(weights, "FETCH_SECONDS", 0.2)
    start = time.monotonic()
    name = create_detector("auto").name
    waited = time.monotonic() - start
    over.set()
    assert name == "hog"
    assert waited < 10
