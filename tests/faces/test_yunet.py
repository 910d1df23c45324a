"""YuNet: eyes, their roll, and counts on real photos."""

import pytest
from PIL import Image

from grefel_hf.faces.cropping import face_roll
from grefel_hf.faces.face import DetectorUnavailableError
from grefel_hf.faces.photos import load_photo
from grefel_hf.faces.yunet import YuNetDetector
from tests.helpers.photos_of_faces import FACES_PER_PHOTO, astronaut, photo_paths


def test_yunet_gives_the_eyes_from_left_to_right(yunet):
    (left, right) = yunet.detect(astronaut())[0].eyes
    assert left == pytest.approx((202.5, 101.3), abs=4)  # the pupils, read off the enlarged picture
    assert right == pytest.approx((246.7, 103.3), abs=4)


@pytest.mark.parametrize("turn", [-25, 25])
def test_yunet_eyes_follow_the_roll(yunet, turn):
    # PIL turns counterclockwise: the eye on the right goes up, a negative roll
    level = face_roll(yunet.detect(astronaut())[0])
    rolled = face_roll(yunet.detect(astronaut().rotate(turn, center=(226, 125)))[0])
    assert rolled - level == pytest.approx(-turn, abs=6)


def test_yunet_finds_all_faces_of_the_group_photos_and_no_other(yunet):
    assert [len(yunet.detect(load_photo(path))) for path in photo_paths()] == FACES_PER_PHOTO


def test_reports_weights_that_are_none(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(DetectorUnavailableError, match="broken.onnx"):
        YuNetDetector(path)


def test_a_face_is_measured_where_it_moved_to(yunet):
    still = astronaut()
    (face,) = yunet.detect(still)
    moved = still.transform(still.size, Image.Transform.AFFINE, (1, 0, 12, 0, 1, -9), Image.Resampling.BILINEAR)
    (followed,), (searched,) = yunet.follow(moved, [face]), yunet.detect(moved)
    assert followed.box == pytest.approx(searched.box, abs=0.06 * face.size) and followed.score == face.score
    assert abs(followed.box[0] - face.box[0]) > 6
    assert yunet.follow(Image.new("RGB", still.size), [face]) is None
