"""Photos that lie on their side or stand on their head, and panoramas, with both detectors."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.cropping import crop_face
from grefel_hf.faces.face import Face
from grefel_hf.faces.hog import HogDetector
from grefel_hf.faces.turns import TURNS, in_photo, turned_back
from grefel_hf.faces.weights import configured_weights
from grefel_hf.faces.yunet import YuNetDetector
from tests.helpers import REPOSITORY

CLOCKWISE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@pytest.fixture(scope="module")
def yunet() -> YuNetDetector:
    path = configured_weights() or REPOSITORY.parent / "shared" / "models" / "face_detection_yunet.onnx"
    if not Path(path).is_file():
        pytest.skip("needs the YuNet weights: set GREFEL_YUNET")
    return YuNetDetector(path)


@pytest.fixture(params=["hog", "yunet"])
def detector(request):
    return HogDetector() if request.param == "hog" else request.getfixturevalue("yunet")


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_face_is_cut_out_as_the_upright_one(turn):
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).resize((400, 300), Image.Resampling.BICUBIC)
    face = Face((120.0, 80.0, 220.0, 200.0), 0.9, ((140.0, 120.0), (190.0, 130.0)))
    turned = photo.transpose(CLOCKWISE[turn])
    assert turned_back(turned, turn).tobytes() == photo.tobytes()
    there = in_photo(face, turn, turned.size)
    assert there.turn == turn and there.size == pytest.approx(face.size)
    expected, crop = (np.asarray(crop_face(*pair, size=64)).astype(int) for pair in ((photo, face), (turned, there)))
    assert np.abs(expected - crop).max() <= 2


@pytest.mark.parametrize("turn", TURNS)
def test_turned_photos_give_the_face_of_the_upright_one(astronaut, detector, turn):
    (upright,) = detector.detect(astronaut)
    (face,) = detector.detect(astronaut.transpose(CLOCKWISE[turn]))
    assert upright.turn == 0 and face.turn == turn
    expected = in_photo(upright, turn, astronaut.size)
    assert face.box == pytest.approx(expected.box, abs=0.1 * upright.size)
    crops = [
        np.asarray(crop_face(photo, one, size=48).convert("L"), float)
        for photo, one in ((astronaut, upright), (astronaut.transpose(CLOCKWISE[turn]), face))
    ]
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.9


def test_results_say_how_a_face_was_turned(predictor, astronaut):
    upright, turned = predictor([astronaut, astronaut.transpose(CLOCKWISE[180])])
    assert turned.faces[0].label == upright.faces[0].label == "happiness"
    assert turned.to_dict()["faces"][0]["turn"] == turned.to_dataframe().turn[0] == 180
    assert turned.notes == ("1 face found upside down and turned upright",) and upright.notes == ()


def test_an_empty_photo_has_no_face_at_any_turn(detector):
    assert detector.detect(Image.new("RGB", (640, 480), "grey")) == []


def test_faces_of_a_panorama_are_found(astronaut, yunet):
    """200 pixels of 20,000: a dozen in the photo as it is searched otherwise."""
    panorama = Image.new("RGB", (12_000, 700), "grey")
    lefts = (300, 1_290 * 4, 11_200)
    for left in lefts:
        panorama.paste(astronaut, (left, 100))
    faces = yunet.detect(panorama)
    assert len(faces) == 3
    (alone,) = yunet.detect(astronaut)
    for face, left in zip(faces, lefts):
        x, y = (face.box[0] + face.box[2]) / 2 - left, (face.box[1] + face.box[3]) / 2 - 100
        assert math.dist((x, y), ((alone.box[0] + alone.box[2]) / 2, (alone.box[1] + alone.box[3]) / 2)) < 15
