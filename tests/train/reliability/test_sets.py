"""Prediction sets hold the label as often as they promise, of each class, on images that they were not fitted to."""

import numpy as np
import pytest

from grefel_hf.reliability import LEVELS, METHODS, in_prediction_set
from grefel_train.reliability.sets import (
    LEAST_IMAGES,
    choose_method,
    conformal_quantile,
    fit_sets,
    fit_thresholds,
    set_metrics,
)

NAMES = ("easy", "hard", "rare")


def answers(count: int, seed: int, rare: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Distributions (M, 3) and labels; the second class is often taken for the first, the third the less `rare` is."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=(0.6, 0.38, 0.02))
    logits = random.normal(size=(count, 3)) + 2.5 * np.eye(3)[labels] * np.array([1.5, 0.4, rare])[labels][:, None]
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(-1, keepdims=True), labels


def test_a_rank_more_than_the_share():
    assert conformal_quantile(np.arange(1, 100) / 100, 0.9) == 0.9
    assert conformal_quantile(np.array([0.2, 0.7]), 0.9) == 0.7  # too few: the largest


@pytest.mark.parametrize("method", METHODS)
def test_coverage_of_each_class_is_as_promised(method):
    fitted, new = answers(1500, 0), answers(4000, 1)
    for level, thresholds in fit_sets(*fitted, method).items():
        found = set_metrics(*new, method, thresholds, NAMES)
        assert found["coverage"] > level - 0.02
        for name in ("easy", "hard"):
            assert found["by_class"][name]["coverage"] > level - 0.04
    assert list(fit_sets(*fitted, method)) == list(LEVELS)


def test_rare_classes_share_a_threshold_that_covers_them():
    distributions, labels = answers(1500, 0, rare=0.2)
    assert (labels == 2).sum() < LEAST_IMAGES
    thresholds = fit_thresholds(distributions, labels, "lac", 0.9)
    new = answers(9000, 1, rare=0.2)
    assert set_metrics(*new, "lac", thresholds, NAMES)["by_class"]["rare"]["coverage"] > 0.85
    of_all = conformal_quantile(1 - distributions[np.arange(len(labels)), labels], 0.9)
    assert in_prediction_set(new[0], "lac", np.full(3, of_all))[new[1] == 2, 2].mean() < 0.75


def test_too_few_rare_faces_share_the_threshold_of_all():
    distributions, labels = answers(1500, 0)
    rows = np.append(np.flatnonzero(labels != 2), np.flatnonzero(labels == 2)[:8])  # 9 would do for 0.9
    scores = 1 - distributions[rows, labels[rows]]
    thresholds = fit_thresholds(distributions[rows], labels[rows], "lac", 0.9)
    assert thresholds[2] == conformal_quantile(scores, 0.9)


def test_the_method_with_the_smallest_sets_is_taken():
    method, tried = choose_method(*answers(1500, 0))
    sizes = {name: found["mean_size"] for name, found in tried.items()}
    assert sizes[method] == min(sizes.values()) and len(set(sizes.values())) > 1
    assert all(found["coverage"] > 0.87 for found in tried.values())


def test_a_class_without_images_has_no_figures():
    distributions, labels = answers(20, 0)
    found = set_metrics(distributions[labels == 0], labels[labels == 0], "lac", np.ones(3), NAMES)
    assert found["coverage"] == 1 and found["mean_size"] == 3 and np.isnan(found["by_class"]["hard"]["coverage"])
