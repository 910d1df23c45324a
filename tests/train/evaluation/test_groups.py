"""Groups, gaps and warnings."""

import pytest
import torch

from grefel_train.evaluation.groups import NO_ENTRY, group_metrics


def test_groups_gaps_and_warnings():
    labels = torch.zeros(310, dtype=torch.long)
    values = ["young"] * 150 + ["old"] * 120 + ["few"] * 30 + [NO_ENTRY] * 10
    answers = [0] * 135 + [1] * 15 + [0] * 60 + [1] * 60 + [1] * 30 + [0] * 10
    found = group_metrics(values, torch.eye(2)[answers] * 0.8 + 0.1, labels, 0, 60)
    assert found["groups"]["young"]["accuracy"] == pytest.approx(0.9)
    assert found["groups"]["few"]["intervals"]["accuracy"] == pytest.approx([0, 0.1135], abs=1e-4)  # 0 of 30
    gap = found["gaps"]["accuracy"]
    assert (gap["lowest"], gap["highest"]) == ("old", "young") and gap["gap"] == pytest.approx(0.4)
    assert gap["interval"][0] > 0.25 and gap["interval"][1] < 0.55
    assert any("few" in text and "30" in text for text in found["warnings"])
    assert any("no entry" in text for text in found["warnings"])
    alone = group_metrics(["a"] * 310, torch.eye(2)[answers], labels, 0, 0)
    assert not alone["gaps"] and any("no gap" in text for text in alone["warnings"])
