"""What all detectors share: size, order, threads; and the choice among them, which falls back offline."""

import logging
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
from PIL import Image

from grefel_hf.faces.detection import NoDetector, create_detector
from grefel_hf.faces.face import Face
from grefel_hf.faces.photos import load_photo
from tests.helpers import REPOSITORY
from tests.helpers.photos_of_faces import astronaut, box_side, center


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


@pytest.mark.parametrize("limits", [{"min_score": 2}, {"min_score": -0.1}, {"min_face": -1}])
def test_impossible_limits_are_refused(limits):
    with pytest.raises(ValueError, match="min_"):
        create_detector("none", **limits)


def test_auto_without_weights_takes_hog_and_says_so_once(offline, caplog):
    with caplog.at_level(logging.INFO, logger="grefel_hf"):
        assert [create_detector("auto").name for _ in range(2)] == ["hog", "hog"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "HOG" in caplog.text and "GREFEL_YUNET" in caplog.text


def test_the_package_works_without_opencv(tmp_path):
    program = """
        import sys
        sys.modules["cv2"] = None  # what an import finds where the package is missing
        from grefel_hf import DetectorUnavailableError
        from grefel_hf.faces.detection import create_detector
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
