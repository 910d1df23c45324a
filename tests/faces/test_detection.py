"""Face detection: counts on real photos, scale and roll, threads, and the way `auto` falls back offline."""

import logging
import math
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import grefel_hf.faces.detection as face_detection
from grefel_hf.faces.cropping import face_roll
from grefel_hf.faces.detection import (
    DetectorUnavailableError,
    Face,
    HogDetector,
    NoDetector,
    YuNetDetector,
    create_detector,
)
from grefel_hf.faces.photos import load_photo
from grefel_hf.faces.yunet_networks import OnnxYuNet, OpenCVYuNet
from tests.helpers import REPOSITORY

SHARED = REPOSITORY.parent / "shared"
WEIGHTS_SETTING = os.environ.get("GREFEL_YUNET")  # before a test changes it
FACES_PER_PHOTO = [3, 3, 3, 4, 5, 4]


def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


def center(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return (left + right) / 2, (top + bottom) / 2


def box_side(face: Face) -> float:
    left, top, right, bottom = face.box
    return math.sqrt((right - left) * (bottom - top))


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
    face_detection._fetch_outcome.cache_clear()
    face_detection._log_once.cache_clear()
    yield
    face_detection._fetch_outcome.cache_clear()
    face_detection._log_once.cache_clear()


def yunet_weights() -> Path:
    return Path(WEIGHTS_SETTING or SHARED / "models" / "face_detection_yunet.onnx").absolute()


def photo_paths() -> list[Path]:
    paths = sorted((SHARED / "photos").glob("*.jpg"))
    if not paths:
        pytest.skip("no group photos: ../shared/photos is missing")
    return paths


def test_none_takes_the_whole_image():
    assert NoDetector().detect(Image.new("RGB", (30, 20))) == [Face((0, 0, 30, 20), 1.0, detector="none")]


@pytest.mark.parametrize("name", ["hog", "yunet"])
def test_finds_the_one_face_of_a_portrait(name, request):
    faces = request.getfixturevalue(name).detect(astronaut())
    assert len(faces) == 1
    face = faces[0]
    left, top, right, bottom = face.box
    assert left < 203 < 247 < right and top < 101 < 148 < bottom  # eyes to mouth of Eileen Collins
    assert 80 < box_side(face) < 130
    assert 0 < face.score <= 1
    assert face.detector == name


def test_yunet_gives_the_eyes_from_left_to_right(yunet):
    (left, right) = yunet.detect(astronaut())[0].eyes
    assert left == pytest.approx((202.5, 101.3), abs=4)  # the pupils, read off the enlarged picture
    assert right == pytest.approx((246.7, 103.3), abs=4)


@pytest.mark.parametrize("name", ["hog", "yunet"])
def test_finds_nothing_in_a_picture_without_faces(name, request):
    detector = request.getfixturevalue(name)
    assert detector.detect(load_photo(skimage.data.coffee())) == []
    assert detector.detect(Image.new("RGB", (1, 1))) == []
    assert detector.detect(Image.new("RGB", (2000, 3))) == []


@pytest.mark.parametrize("name", ["hog", "yunet"])
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_boxes_follow_the_size_of_the_photo(name, scale, request):
    detector = request.getfixturevalue(name)
    image = astronaut()
    resized = image.resize((round(512 * scale), round(512 * scale)), Image.Resampling.BICUBIC)
    (expected,), (found,) = detector.detect(image), detector.detect(resized)
    assert np.array(center(found)) / scale == pytest.approx(center(expected), abs=6)
    assert box_side(found) / scale == pytest.approx(box_side(expected), rel=0.12)


@pytest.mark.parametrize("name", ["hog", "yunet"])
def test_finds_a_face_that_fills_a_large_photo(name, request):
    close_up = astronaut().crop((150, 40, 300, 190)).resize((1500, 1500), Image.Resampling.BICUBIC)
    faces = request.getfixturevalue(name).detect(close_up)
    assert len(faces) == 1
    assert box_side(faces[0]) > 700


@pytest.mark.parametrize("turn", [-25, 25])
def test_yunet_eyes_follow_the_roll(yunet, turn):
    # PIL turns counterclockwise: the eye on the right goes up, a negative roll
    level = face_roll(yunet.detect(astronaut())[0])
    rolled = face_roll(yunet.detect(astronaut().rotate(turn, center=(226, 125)))[0])
    assert rolled - level == pytest.approx(-turn, abs=6)


def test_yunet_is_the_same_on_both_runtimes(yunet):
    networks = OnnxYuNet(str(yunet_weights()), 0.5), OpenCVYuNet(str(yunet_weights()), 0.5)
    assert isinstance(yunet._network, OnnxYuNet)
    for side in (512, 317, 90):  # a multiple of the network's cells, and none
        pixels = np.ascontiguousarray(np.asarray(astronaut().resize((side, side - 9)))[:, :, ::-1])
        ours, theirs = (network.run(pixels) for network in networks)
        assert ours.shape == theirs.shape and (side < 100 or len(ours) >= 1)
        np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_a_cell_of_yunet_is_decoded():
    """The second cell of the second row of a map with three columns and cells of 16 pixels; the others say no."""
    maps = {
        f"{kind}_16": np.zeros((6, channels), np.float32)
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    maps["cls_16"][4], maps["obj_16"][4] = 0.9, 1.2  # more than 1 counts as 1
    maps["bbox_16"][4] = (0.5, 0.25, math.log(2), math.log(3))
    maps["kps_16"][4] = np.arange(10) / 10
    network = object.__new__(OnnxYuNet)
    network._threshold = 0.75
    (row,) = network._decode(maps, stride=16, columns=3)
    np.testing.assert_allclose(row[:4], [1.5 * 16 - 16, 1.25 * 16 - 24, 32, 48], rtol=1e-6)
    np.testing.assert_allclose(row[4:8], [16, 17.6, 19.2, 20.8], rtol=1e-6)
    assert row[14] == pytest.approx(math.sqrt(0.9))


def test_yunet_finds_all_faces_of_the_group_photos_and_no_other(yunet):
    assert [len(yunet.detect(load_photo(path))) for path in photo_paths()] == FACES_PER_PHOTO


def test_hog_finds_most_faces_of_the_group_photos_and_no_other(hog):
    counts = [len(hog.detect(load_photo(path))) for path in photo_paths()]
    assert sum(counts) >= 19
    assert all(count <= most for count, most in zip(counts, FACES_PER_PHOTO, strict=True))


@pytest.mark.parametrize("name", ["hog", "yunet"])
def test_faces_come_from_left_to_right_each_once(name, request):
    face = astronaut().crop((126, 22, 326, 222))
    row = Image.new("RGB", (600, 200))
    for column in range(3):
        row.paste(face, (column * 200, 0))
    faces = request.getfixturevalue(name).detect(row)
    assert [center(face)[0] for face in faces] == pytest.approx([100, 300, 500], abs=15)


@pytest.mark.parametrize("name", ["hog", "yunet"])
def test_threads_share_a_detector(name, request):
    detector = request.getfixturevalue(name)
    images = [astronaut(), astronaut().resize((300, 300)), Image.new("RGB", (640, 480))] * 3
    alone = [detector.detect(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.detect, images)) == alone
    assert [len(faces) for faces in alone] == [1, 1, 0] * 3


def test_create_detector_by_name():
    assert create_detector("none").name == "none"
    assert create_detector("hog").name == "hog"
    with pytest.raises(ValueError, match="'haar'.*auto, yunet, hog, none"):
        create_detector("haar")


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


def test_reports_weights_that_are_none(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(DetectorUnavailableError, match="broken.onnx"):
        YuNetDetector(path)


def test_yunet_without_weights_says_how_to_get_them(offline):
    with pytest.raises(DetectorUnavailableError, match="set GREFEL_YUNET .* or connect"):
        create_detector("yunet")


def test_auto_without_weights_takes_hog_and_says_so_once(offline, caplog):
    with caplog.at_level(logging.INFO, logger="grefel_hf"):
        assert [create_detector("auto").name for _ in range(2)] == ["hog", "hog"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "HOG" in caplog.text and "GREFEL_YUNET" in caplog.text


def test_auto_takes_the_weights_of_the_hubs_cache(offline, yunet, tmp_path):
    folder = tmp_path / "models--opencv--face_detection_yunet"
    commit = "0" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "face_detection_yunet_2023mar.onnx").symlink_to(yunet_weights())
    assert create_detector("auto").name == "yunet"


def test_auto_does_not_wait_for_a_hub_that_never_answers(offline, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            f"http://127.0.0.1:{silent.getsockname()[1]}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        )
        monkeypatch.setattr(face_detection, "FETCH_SECONDS", 0.5)
        start = time.monotonic()
        path, reason = face_detection._fetch_outcome()
        waited = time.monotonic() - start
    assert path is None and reason
    assert 0.2 < waited < 3  # it did try


def test_auto_does_not_wait_for_a_download_that_never_ends(offline, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(face_detection, "_fetch_weights", lambda: over.wait(20) and "")
    monkeypatch.setattr(face_detection, "FETCH_SECONDS", 0.2)
    start = time.monotonic()
    name = create_detector("auto").name
    waited = time.monotonic() - start
    over.set()
    assert name == "hog"
    assert waited < 10


def test_the_package_works_without_opencv(tmp_path):
    program = """
        import sys
        sys.modules["cv2"] = None  # what an import finds where the package is missing
        from grefel_hf.faces.detection import DetectorUnavailableError, create_detector
        print(create_detector("auto").name)
        try:
            create_detector("yunet")
        except DetectorUnavailableError as error:
            print(error)
    """
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("GREFEL_YUNET", None)
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, check=True
    )
    first, second = run.stdout.splitlines()
    assert first == "hog"
    assert "pip install opencv-python-headless" in second
