"""RAF-DB on a small tree in its real layout, with the real label order."""

import pytest

from grefel_train.data.adapters import rafdb
from grefel_train.data.splits import class_ids, group_ids
from tests.helpers.adapter_trees import (
    names_of,
    write_rafdb,
)


def test_rafdb(tmp_path):
    write_rafdb(tmp_path, train=[5, 1, 2, 3, 4, 6, 7], test=[7, 4])
    splits, label_names = rafdb.load(tmp_path)
    assert label_names == ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    train = names_of(splits["train"], label_names)
    assert train == ["sadness", "surprise", "fear", "disgust", "happiness", "anger", "neutral"]
    assert names_of(splits["test"], label_names) == ["neutral", "happiness"]
    assert class_ids(splits["train"]).tolist() == [4, 0, 1, 2, 3, 5, 6]
    assert group_ids(splits["train"]) is None
    assert len(rafdb.load(tmp_path / "basic").splits["train"]) == 7  # the folder inside does as well


def test_rafdb_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="list_patition_label.txt does not exist"):
        rafdb.load(tmp_path)
    write_rafdb(tmp_path, train=[1, 2], test=[3])
    listing = tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt"
    good = listing.read_text()
    listing.write_text(good + "train_00003.jpg 8\n")
    with pytest.raises(ValueError, match=r"line 4: .*'train_00003.jpg 8'"):
        rafdb.load(tmp_path)
    listing.write_text(good + "train_00003.jpg 1\n")
    with pytest.raises(FileNotFoundError, match="train_00003_aligned.jpg"):
        rafdb.load(tmp_path)
