"""Pans: how the camera moved, and who is who meanwhile."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf import FacePrediction, PhotoPrediction
from grefel_hf.video.analysis import analyse_video
from grefel_hf.video.motion import grey_thumbnail, picture_shift
from grefel_hf.video.reader import VideoReader
from tests.helpers.video_clips import write_clip

SIZE = (320, 180)
SIDE = 40
PLACES = (100, 420, 740)  # of three faces in a scene that is wider than the picture


def wide_scene(*lefts: int) -> Image.Image:
    """Hills of grey, and red squares that stand for faces."""
    noise = np.random.default_rng(0).integers(60, 200, (9, 48), dtype=np.uint8)
    scene = Image.fromarray(noise).resize((960, 180), Image.Resampling.BICUBIC).convert("RGB")
    for left in lefts:
        scene.paste((255, 0, 0), (left, 70, left + SIDE, 70 + SIDE))
    return scene


def seen_from(scene: Image.Image, left: int, top: int = 0) -> Image.Image:
    return scene.crop((left, top, left + SIZE[0], top + SIZE[1]))


class RedFaces:
    """A predictor for which whole red squares are faces."""

    detector = None

    def stream(self, photos, **options):
        for photo in photos:
            red = (np.asarray(photo).astype(int) @ [1, -1, -1]) > 100
            columns = np.flatnonzero(red.sum(0) > SIDE / 2)
            groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(columns) else []
            faces = [self.face(group[0], group[-1]) for group in groups if len(group) > 0.8 * SIDE]
            yield PhotoPrediction(None, *photo.size, "hog", faces, ("neutral",))

    @staticmethod
    def face(left: int, right: int) -> FacePrediction:
        certain = np.ones(1)
        return FacePrediction((left, 70, right + 1, 70 + SIDE), 1.0, ("neutral",), certain, certain, {"corrected": 1.0})


def persons(tmp_path, pictures: list[Image.Image], seconds: float = 0.2) -> list[list[int]]:
    path = write_clip(tmp_path / "pan.mp4", pictures, [index * seconds for index in range(len(pictures))])
    with VideoReader(path) as video:
        return [[face.person for face in frame.faces] for frame in analyse_video(video, RedFaces())]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (20, 0), (-35, 0), (60, 10), (0, -20)])
def test_a_shift_is_found(x, y):
    scene = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 40), dtype=np.uint8)).resize((800, 240))
    before, after = (grey_thumbnail(seen_from(scene, 200 - dx, 30 - dy)) for dx, dy in ((0, 0), (x, y)))
    dx, dy = picture_shift(before, after)
    assert (dx * SIZE[0], dy * SIZE[1]) == pytest.approx((x, y), abs=2.5)  # the thumbnail's pixel


def test_another_scene_is_no_shift():
    scenes = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (9, 16), dtype=np.uint8)).resize(SIZE)
        for seed in range(2)
    ]
    assert picture_shift(*map(grey_thumbnail, scenes)) is None


@pytest.mark.parametrize("step", [20, 60, 110], ids=["slow", "fast", "very fast"])
def test_a_pan_over_three_people_sees_three(tmp_path, step):
    scene = wide_scene(*PLACES)
    seen = persons(tmp_path, [seen_from(scene, left) for left in range(0, 641, step)])
    assert {person for frame in seen for person in frame} == {1, 2, 3}


def test_who_was_left_behind_keeps_the_number_when_the_camera_comes_back(tmp_path):
    scene = wide_scene(100, 740)
    there = list(range(0, 641, 40))
    seen = persons(tmp_path, [seen_from(scene, left) for left in (*there, *reversed(there))])
    assert seen[0] == seen[-1] == [1] and seen[len(there)] == [2]


def test_a_still_camera_waits_for_nobody(tmp_path):
    there, gone = seen_from(wide_scene(100), 0), seen_from(wide_scene(), 0)
    assert persons(tmp_path, [there] * 2 + [gone] * 8 + [there]) == [[1]] * 2 + [[]] * 8 + [[2]]
