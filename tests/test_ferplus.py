"""FER+ protocols on votes worked out by hand, and on the real set where it is at hand."""

import numpy as np
import pytest
from ferplus_files import write_ferplus

from ferplus import load_ferplus, majority_labels, vote_distributions
from metrics import classification_metrics

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
VOTES = np.array(
    [
        [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # 6 of 10: majority
        [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # exactly half: none
        [5, 3, 1, 1, 0, 0, 0, 0, 0, 0],  # single votes drop: 5 of 8
        [2, 0, 0, 0, 0, 0, 0, 0, 8, 0],  # "unknown" wins: in neither protocol
        [3, 2, 0, 0, 0, 0, 0, 0, 2, 1],  # 3 of 7: none, but neutral is on top
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing left
    ]
)


def test_majority_by_hand():
    assert majority_labels(VOTES).tolist() == [0, -1, 0, -1, -1, -1]


def test_distributions_by_hand():
    distributions = vote_distributions(VOTES)
    assert distributions[0, :3].tolist() == pytest.approx([0.6, 0.4, 0.0])
    assert distributions[2, :3].tolist() == pytest.approx([5 / 8, 3 / 8, 0.0])
    assert distributions[4, :2].tolist() == pytest.approx([0.6, 0.4])
    assert distributions[[3, 5]].tolist() == [[0.0] * 8] * 2


def test_load(tmp_path):
    write_ferplus(tmp_path, "validation", VOTES)
    majority = load_ferplus(tmp_path, "validation", "majority")
    assert majority["label"] == [0, 0] and majority["name"] == ["0.png", "2.png"]
    assert load_ferplus(tmp_path, "validation", "probability")["name"] == ["0.png", "1.png", "2.png", "4.png"]
    with pytest.raises(FileNotFoundError, match="train-"):
        load_ferplus(tmp_path, "train", "majority")
    with pytest.raises(ValueError, match="majority, probability"):
        load_ferplus(tmp_path, "validation", "votes")


def test_the_real_set_has_the_published_counts(shared):
    data = load_ferplus(shared / "data" / "ferplus", "train", "majority")
    assert np.bincount(data["label"]).tolist() == [8733, 7284, 3136, 3022, 2098, 116, 536, 120]
    assert len(load_ferplus(shared / "data" / "ferplus", "validation", "majority")) == 3191


def test_metrics_by_hand():
    import torch

    distributions = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
    metrics = classification_metrics(distributions, torch.tensor([0, 1, 1, 1]))
    assert metrics["accuracy"] == pytest.approx(0.75)
    assert metrics["macro_recall"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # One image a bin: 0.8, 0.7 and 0.9 right, 0.6 wrong.
    assert metrics["expected_calibration_error"] == pytest.approx((0.2 + 0.6 + 0.3 + 0.1) / 4, abs=1e-6)
