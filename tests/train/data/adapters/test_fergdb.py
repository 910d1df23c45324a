"""FERG-DB on a small tree in its real layout, with the real label order."""

import numpy as np
import pytest

from grefel_train.data.adapters import fergdb
from grefel_train.data.splits import class_ids, group_ids
from tests.helpers.adapter_trees import (
    names_of,
    write_face,
    write_fergdb,
)


def test_fergdb(tmp_path):
    write_fergdb(tmp_path, characters=("mery", "aia"), images=2)
    splits, label_names = fergdb.load(tmp_path)
    assert label_names == ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    found = names_of(splits["train"], label_names)
    assert found == [name for _ in range(2) for name in label_names for _ in range(2)]
    assert splits["train"]["group"] == ["aia"] * 14 + ["mery"] * 14
    write_face(tmp_path / "aia" / "aia_boredom" / "aia_boredom_1.png", 0)
    with pytest.raises(ValueError, match="aia_boredom is named for no expression"):
        fergdb.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="aia_anger"):
        fergdb.load(tmp_path / "mery")


def test_labels_and_groups_need_no_image(tmp_path):
    write_fergdb(tmp_path, characters=("aia",), images=1)
    for image in tmp_path.glob("*/*/*.png"):
        image.write_bytes(b"no image")
    train = fergdb.load(tmp_path).splits["train"]
    assert np.bincount(class_ids(train)).tolist() == [1] * 7
    assert group_ids(train).tolist() == [0] * 7
