"""Agreement with people, by hand and against scipy."""

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch

from grefel_train.evaluation.agreement import agreement_metrics, metrics_by_agreement


def test_agreement_by_hand():
    votes = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    model = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.7, 0.2, 0.1]])
    metrics = agreement_metrics(votes, model)
    assert metrics["accuracy"] == pytest.approx(1 / 3)  # of equal votes the first class counts
    assert metrics["people_top_in_model_top_2"] == pytest.approx(2 / 3)
    assert metrics["model_top_in_people_top_2"] == 1.0  # both classes of 0.2 are second
    no_votes_for_it = agreement_metrics(torch.tensor([[1.0, 0.0, 0.0]] * 2), torch.tensor([[0.1, 0.8, 0.1]] * 2))
    assert no_votes_for_it["model_top_in_people_top_2"] == 0.0


def test_divergences_against_scipy():
    random = np.random.default_rng(0)
    votes = random.dirichlet([0.5] * 4, 50).astype(np.float32)
    votes[:10] = np.eye(4)[random.integers(0, 4, 10)]
    model = random.dirichlet([1.0] * 4, 50).astype(np.float32)
    metrics = agreement_metrics(torch.from_numpy(votes), torch.from_numpy(model))
    kl = np.mean([scipy.stats.entropy(p, q) for p, q in zip(votes, model)])
    js = np.mean([scipy.spatial.distance.jensenshannon(p, q) ** 2 for p, q in zip(votes, model)])
    assert metrics["kl_divergence"] == pytest.approx(kl, rel=1e-4)
    assert metrics["js_divergence"] == pytest.approx(js, rel=1e-4)
    entropies = scipy.stats.entropy(votes, axis=1), scipy.stats.entropy(model, axis=1)
    assert metrics["uncertainty_correlation"] == pytest.approx(scipy.stats.spearmanr(*entropies)[0], abs=1e-3)


def test_levels_of_agreement_are_bounded_as_they_say():
    votes = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]])
    rows = metrics_by_agreement(votes, torch.full((5, 2), 0.5))
    assert [(row["level"], row["samples"]) for row in rows] == [
        ("all agree", 1),
        ("80 to 99 %", 2),
        ("60 to 79 %", 1),
        ("below 60 %", 1),
    ]
