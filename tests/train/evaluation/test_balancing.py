"""What balancing changed, by hand."""

import pytest
import torch

from grefel_train.evaluation.balancing import balancing_effect, mean_confidences


def test_balancing_by_hand():
    labels = torch.tensor([0, 0, 1, 1, 2])
    primary = torch.eye(3)[[0, 1, 0, 1, 0]]
    corrected = torch.eye(3)[[1, 0, 1, 1, 1]]
    effect = balancing_effect(primary, corrected, labels, ["a", "b", "c"])
    assert (effect["labels_changed"], effect["mended"], effect["spoilt"]) == (4, 2, 1)
    assert effect["by_class"]["a"] == {"labels_changed": 2, "mended": 1, "spoilt": 1}
    assert effect["by_class"]["c"] == {"labels_changed": 1, "mended": 0, "spoilt": 0}
    means = mean_confidences({"primary": torch.full((5, 3), 1 / 3), "corrected": corrected}, labels)
    assert means["primary"]["all"] == pytest.approx(0, abs=1e-6) and means["corrected"]["wrong"] == pytest.approx(1)
    assert set(means) == {"primary", "corrected"}
