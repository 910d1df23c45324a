"""Intervals against the binomial, and resamples of whole clusters."""

import itertools
import math

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch

from grefel_train.evaluation.bootstrap import intervals, resampled_rows, wilson_interval


def test_intervals_are_those_of_the_binomial():
    correct = torch.cat([torch.ones(320), torch.zeros(80)])
    (low, high) = intervals(lambda rows: {"accuracy": correct[rows].mean().item()}, 400, 0, 2000)["accuracy"]
    expected = scipy.stats.binom.ppf([0.025, 0.975], 400, 0.8) / 400
    assert [low, high] == pytest.approx(expected.tolist(), abs=0.006)
    again = intervals(lambda rows: {"accuracy": correct[rows].mean().item()}, 400, 0, 2000)["accuracy"]
    assert again == [low, high]


def test_clusters_are_drawn_as_a_whole():
    clusters = np.array([4, 4, 4, -1, 2, 2, -1])
    for rows in itertools.islice(resampled_rows(7, 0, 20, clusters), 20):
        counts = np.bincount(rows.numpy(), minlength=7)
        assert counts[0] == counts[1] == counts[2] and counts[4] == counts[5]
    # Frames that are all right or all wrong by video say far less than as many single images.
    correct = torch.arange(20).repeat_interleave(50) < 15
    statistic = lambda rows: {"accuracy": correct[rows].float().mean().item()}  # noqa: E731
    single = intervals(statistic, 1000, 0, 300)["accuracy"]
    videos = intervals(statistic, 1000, 0, 300, np.arange(20).repeat(50))["accuracy"]
    assert np.diff(videos) > 4 * np.diff(single)


def test_an_interval_leaves_out_resamples_without_the_figure():
    found = intervals(lambda rows: {"some": math.nan if 0 in rows else 1.0, "none": math.nan}, 5, 0, 50)
    assert found["some"] == [1.0, 1.0] and np.isnan(found["none"]).all()


def test_of_few_draws_that_are_all_alike_the_interval_is_wide():
    assert wilson_interval(0, 4) == pytest.approx([0, 0.4899], abs=1e-4)
    assert wilson_interval(4, 4) == pytest.approx([0.5101, 1], abs=1e-4)
    assert wilson_interval(320, 400) == pytest.approx([0.758, 0.836], abs=1e-3)
    assert np.isnan(wilson_interval(0, 0)).all()
