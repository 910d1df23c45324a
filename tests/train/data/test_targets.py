"""Label distributions, softer and sharper, by hand."""

import pytest
import torch

from grefel_train.data.targets import target_distributions


def test_class_ids_become_one_hot_rows():
    assert target_distributions(torch.tensor([1, 0]), 2).tolist() == [[0, 1], [1, 0]]


def test_smoothing_mixes_the_uniform_distribution_in():
    assert target_distributions(torch.tensor([1]), 4, smoothing=0.2)[0].tolist() == pytest.approx(
        [0.05, 0.85, 0.05, 0.05]
    )


def test_sharpening_draws_votes_to_the_majority():
    votes = torch.tensor([[0.6, 0.3, 0.1]])
    assert target_distributions(votes, 3, sharpening=2)[0].tolist() == pytest.approx([36 / 46, 9 / 46, 1 / 46])
    assert torch.equal(target_distributions(votes, 3), votes)
