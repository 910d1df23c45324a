"""Faces are searched for a few times a second and followed in between."""

import numpy as np
from PIL import Image

from grefel_hf.faces.face import Face
from grefel_hf.video.following import SEARCH_SECONDS, FollowingDetector

PICTURE = Image.new("RGB", (9, 9))
SCENE, OTHER_SCENE = np.eye(64)[0], np.eye(64)[1]


class Watched:
    """A detector that notes how it was asked; its one face is lost in `lost_in` frames."""

    name = "watched"

    def __init__(self):
        self.asked, self.lost = [], False

    def detect(self, image):
        self.asked.append("search")
        return [Face((0.0, 0.0, 4.0, 4.0), 0.9)]

    def follow(self, image, faces):
        self.asked.append("follow")
        return None if self.lost else faces


def run(detector: FollowingDetector, *frames: tuple[float, np.ndarray]):
    for frame in frames:
        detector.expect(*frame)
    for _ in frames:
        assert len(detector.detect(PICTURE)) == 1


def test_a_search_comes_first_and_again_after_a_while():
    watched = Watched()
    run(FollowingDetector(watched), *((index * SEARCH_SECONDS / 4, SCENE) for index in range(6)))
    assert watched.asked == ["search", "follow", "follow", "follow", "search", "follow"]


def test_cuts_and_lost_faces_are_searched_for():
    watched = Watched()
    detector = FollowingDetector(watched)
    run(detector, (0.0, SCENE), (0.01, OTHER_SCENE))
    watched.lost = True
    run(detector, (0.02, OTHER_SCENE))
    assert watched.asked == ["search", "search", "follow", "search"]
