"""FER+ protocols on votes worked out by hand, and on the real set where it is at hand."""

import numpy as np
import pytest

from grefel_train.data.adapters.ferplus import EMOTIONS, load, load_ferplus, majority_labels, vote_distributions
from grefel_train.evaluation.metrics import classification_metrics
from tests.helpers.adapter_trees import brightness
from tests.helpers.ferplus_files import write_ferplus, write_ferplus_csv

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


CSV_ROWS = [
    # The numbers in the names are no row numbers, and a row without a name is no part of FER+.
    ("Training", "fer0000000.png", [4, 6, 0, 0, 0, 0, 0, 0, 0, 0], 11),
    ("Training", "", [0, 0, 0, 9, 0, 0, 0, 0, 0, 1], 22),
    ("Training", "fer0000002.png", [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], 33),
    ("Training", "fer0000007.png", [0, 0, 0, 0, 0, 0, 2, 7, 1, 0], 44),
    ("PublicTest", "fer0028638.png", [0, 0, 10, 0, 0, 0, 0, 0, 0, 0], 11),
    ("PublicTest", "fer0028639.png", [0, 0, 0, 10, 0, 0, 0, 0, 0, 0], 55),
    ("PrivateTest", "fer0032220.png", [0, 0, 0, 0, 10, 0, 0, 0, 0, 0], 66),
]


def test_csv_files_are_joined_by_row(tmp_path):
    write_ferplus_csv(tmp_path, CSV_ROWS)
    splits, label_names = load(tmp_path, "probability")
    assert label_names == EMOTIONS
    train = splits["train"]
    assert train["name"] == ["fer0000000.png", "fer0000002.png", "fer0000007.png"]
    assert [brightness(image) for image in train["image"]] == [11, 33, 44]
    assert train[0]["image"].mode == "L" and train[0]["image"].size == (48, 48)
    assert train[0]["distribution"][:2] == pytest.approx([0.4, 0.6])
    assert train[2]["distribution"][6:] == pytest.approx([2 / 9, 7 / 9])
    assert splits["validation"]["label"] == [2, 3]
    assert splits["validation"]["duplicate_of"] == ["fer0000000.png", None]
    assert [brightness(image) for image in splits["test"]["image"]] == [66]
    majority = load(tmp_path, "majority").splits["train"]
    assert majority["label"] == [1, 7] and majority["name"] == ["fer0000000.png", "fer0000007.png"]


def test_changed_csv_files_are_read_anew(tmp_path):
    write_ferplus_csv(tmp_path, CSV_ROWS)
    assert len(load_ferplus(tmp_path, "validation", "majority")) == 2
    write_ferplus_csv(tmp_path, CSV_ROWS[:5])
    assert len(load_ferplus(tmp_path, "validation", "majority")) == 1


def test_csv_files_that_do_not_belong_together(tmp_path):
    write_ferplus_csv(tmp_path, CSV_ROWS)
    votes = (tmp_path / "fer2013new.csv").read_text().splitlines(keepends=True)
    (tmp_path / "fer2013new.csv").write_text("".join(votes[:-1]))
    with pytest.raises(ValueError, match="they part at line 8"):
        load_ferplus(tmp_path, "train", "majority")
    (tmp_path / "fer2013new.csv").write_text("".join(votes).replace(",NF", ",not_a_face"))
    with pytest.raises(ValueError, match="fer2013new.csv has no column NF"):
        load_ferplus(tmp_path, "train", "majority")
    (tmp_path / "fer2013new.csv").write_text("".join(votes))
    faces = tmp_path / "fer2013.csv"
    faces.write_text(faces.read_text().replace("33 33 33", "33 33", 1))
    with pytest.raises(ValueError, match="line 4"):
        load_ferplus(tmp_path, "train", "majority")
    faces.unlink()
    with pytest.raises(FileNotFoundError, match="fer2013.csv does not exist"):
        load_ferplus(tmp_path, "train", "majority")


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
