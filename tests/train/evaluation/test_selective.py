"""Selective prediction, on cases worked by hand."""

import itertools
import math

import numpy as np
import pytest
import torch

from grefel_train.evaluation.selective import risk_coverage_curve, selective_metrics, threshold_table

SCORES = torch.tensor([0.2, 0.9, 0.5, 0.7])


CORRECT = torch.tensor([True, True, False, True])


def test_risk_coverage_by_hand():
    # By falling score: right, right, wrong, right.
    risks = risk_coverage_curve(SCORES, CORRECT)
    assert risks.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4])
    metrics = selective_metrics(SCORES, CORRECT)
    assert metrics["area_under_risk_coverage"] == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert metrics["accuracy_at_coverage_50"] == 1.0 and metrics["accuracy_at_coverage_100"] == 0.75
    assert metrics["accuracy_at_coverage_80"] == metrics["accuracy_at_coverage_90"] == 0.75  # at least: all four


def test_equal_scores_count_as_the_mean_over_their_orders():
    scores = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.1, 0.1])
    correct = torch.tensor([False, True, False, False, True, False])
    curves = []
    for middle, last in itertools.product(itertools.permutations([1, 2, 3]), itertools.permutations([4, 5])):
        order = [0, *middle, *last]
        errors = np.cumsum(~correct[order].numpy())
        curves.append(errors / np.arange(1, 7))
    np.testing.assert_allclose(risk_coverage_curve(scores, correct).numpy(), np.mean(curves, 0))


def test_threshold_table_by_hand():
    table = threshold_table(SCORES, CORRECT, (0.0, 0.5, 0.95))
    assert [row["coverage"] for row in table] == [1.0, 0.75, 0.0]
    assert table[1]["accuracy"] == pytest.approx(2 / 3) and math.isnan(table[2]["accuracy"])
