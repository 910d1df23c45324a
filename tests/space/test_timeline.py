"""The geometry of a timeline."""

import pytest

from space.timeline import timeline
from tests.helpers.face_examples import LABELS, distribution


def test_timeline_draws_a_band_per_class_and_leaves_gaps():
    times = [0.0, 0.2, 0.4, 3.0, 3.2]
    shares = [distribution(anger=0.5)] * 5
    line = timeline(LABELS, times, shares, [90, None, 0, 50, 50], 0.0, 4.0)
    assert len(line.bands) == 2 * len(LABELS)  # the person was out of sight for two seconds
    assert "on average anger 50" in line.words.replace("\u00a0", " ")
    assert line.ticks[-1].text == "4\u00a0s"
    lower, upper = _edges(line.bands[LABELS.index("anger")][1])
    assert upper - lower == pytest.approx(0.5 * 96, abs=0.2)


def test_moments_reach_halfway_to_their_neighbours():
    times, shares = [0.0, 0.2, 0.4, 3.0], [distribution(anger=0.5)] * 4
    line = timeline(LABELS, times, shares, [90, None, 0, 50], 0.0, 4.0)
    assert line.moments[:3] == [(0, 2.5, 90, "anger"), (2.5, 5, None, "anger"), (7.5, 2.5, 0, "anger")]
    assert line.moments[3] == (74.75, 0.5, 50, "anger")  # seen once: as wide as its bar


def test_an_empty_timeline_is_drawn_too():
    line = timeline(LABELS, [], [], [], -20.0, 0.0)
    assert line.bands == line.moments == [] and "still empty" in line.words
    assert line.ticks[0].text == "\u221220"


def _edges(points: str) -> tuple[float, float]:
    """The lowest and the highest y of a polygon."""
    heights = [float(point.split(",")[1]) for point in points.split()]
    return min(heights), max(heights)
