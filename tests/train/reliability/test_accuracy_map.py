"""The map from confidence to the share of right answers."""

import numpy as np
import pytest

from grefel_train.reliability.accuracy_map import LEAST_ANSWERS, fit_accuracy_map, fit_class_maps, wilson_interval


def test_it_finds_the_shares_and_never_falls():
    random = np.random.default_rng(0)
    confidence = random.random(4000)
    correct = random.random(4000) < confidence**2  # much less than it says
    found = fit_accuracy_map(confidence, correct)
    for value in (0.3, 0.6, 0.9):
        share, low, high = found(value)
        assert share == pytest.approx(value**2, abs=0.1) and low <= share <= high
    assert (np.diff(found.accuracy) >= 0).all() and (np.diff(found.confidence) > 0).all()


def test_shares_that_fall_with_confidence_are_joined():
    confidence = np.linspace(0, 1, 400)
    found = fit_accuracy_map(confidence, np.arange(400) % 10 >= 10 * confidence)
    assert found.accuracy == pytest.approx([0.5], abs=0.05)


def test_all_right_is_not_promised_to_be_all():
    found = fit_accuracy_map(np.full(40, 0.9), np.ones(40, bool))
    assert found.confidence == pytest.approx([0.9])
    assert 0.97 < found.accuracy[0] < 1 and found.high[0] == pytest.approx(1)


def test_frequent_answers_have_a_map_of_their_own():
    answers = np.array([0] * LEAST_ANSWERS + [1] * (LEAST_ANSWERS - 1))
    correct = answers == 0
    maps = fit_class_maps(np.linspace(0, 1, len(answers)), correct, answers, ("a", "b"))
    assert set(maps) == {"a"} and maps["a"](0.2)[0] > 0.9


def test_wilson_intervals():
    low, high = wilson_interval(np.array([0, 8]), np.array([10, 10]))  # Wilson (1927), 95 %
    assert low == pytest.approx([0, 0.4902], abs=1e-3) and high == pytest.approx([0.2775, 0.9433], abs=1e-3)
