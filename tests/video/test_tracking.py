"""Who is who from frame to frame."""

import math

import numpy as np
import pytest
from PIL import Image

from grefel_hf.video.tracking import Track, Tracker, box_distance, colour_histogram, is_cut, smooth


def box(x: float, y: float = 50, side: float = 40):
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def persons(tracker: Tracker, time: float, *boxes) -> list[int]:
    tracks = tracker.update(time, list(boxes))
    for track in tracks:
        track.time = time
    return [track.person for track in tracks]


def test_two_persons_keep_their_numbers_while_they_move():
    tracker = Tracker()
    assert persons(tracker, 0, box(50), box(200)) == [1, 2]
    for step in range(1, 10):
        # in any order
        assert persons(tracker, step / 10, box(200 - 9 * step), box(50 + 3 * step)) == [2, 1]


def test_the_nearest_face_wins():
    tracker = Tracker()
    persons(tracker, 0, box(50))
    assert persons(tracker, 0.1, box(66), box(53)) == [2, 1]


def test_a_few_missed_frames_do_not_matter_and_many_do():
    tracker = Tracker()
    assert persons(tracker, 0.0, box(50)) == [1]
    assert persons(tracker, 0.5) == persons(tracker, 0.9) == persons(tracker, 1.0) == []
    assert persons(tracker, 1.0, box(52)) == [1]
    for time in (1.5, 1.9, 2.0):
        persons(tracker, time)
    assert persons(tracker, 2.1, box(52)) == [2]


def test_with_frames_far_apart_one_may_be_missed():
    tracker = Tracker()
    assert persons(tracker, 0, box(50)) == [1]
    persons(tracker, 10)
    assert persons(tracker, 20, box(50)) == [1]


def test_after_a_cut_everybody_is_new():
    tracker = Tracker()
    persons(tracker, 0, box(50))
    tracker.end_all()
    assert persons(tracker, 0.1, box(50)) == [2]


@pytest.mark.parametrize("other", [box(80), box(50, side=90), box(50, y=90)])
def test_far_or_much_larger_is_somebody_else(other):
    assert box_distance(box(50), other) is None and box_distance(other, box(50)) is None
    assert box_distance(box(50), box(50)) == 0


def test_smoothing_depends_on_seconds_not_on_frames():
    def response(rate: int) -> float:
        track = Track(1, box(0), 0.0)
        smooth(track, 0.0, np.array([1.0, 0.0]), 0.5)
        for step in range(1, rate + 1):
            mean = smooth(track, step / rate, np.array([0.0, 1.0]), 0.5)
        assert mean.sum() == pytest.approx(1)
        return mean[0]

    assert response(5) == pytest.approx(response(50)) == pytest.approx(math.exp(-2))
    track = Track(1, box(0), 0.0)
    smooth(track, 0.0, np.array([1.0, 0.0]), 0)
    assert list(smooth(track, 0.1, np.array([0.0, 1.0]), 0)) == [0, 1]


def test_cuts_by_colour():
    scene = Image.linear_gradient("L").convert("RGB")
    moved = Image.fromarray(np.roll(np.asarray(scene), 30, axis=0))
    other = Image.merge("RGB", [scene.getchannel(0), Image.new("L", scene.size), Image.new("L", scene.size, 255)])
    assert colour_histogram(scene).sum() == pytest.approx(1)
    assert not is_cut(colour_histogram(scene), colour_histogram(moved))
    assert is_cut(colour_histogram(scene), colour_histogram(other))
