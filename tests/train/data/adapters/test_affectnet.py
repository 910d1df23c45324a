"""AffectNet on a small tree in its real layout, with the real label order."""

import pytest

from grefel_train.data.adapters import affectnet
from tests.helpers.adapter_trees import (
    names_of,
    write_affectnet,
)


@pytest.mark.parametrize(
    ("num_classes", "train", "validation"),
    [
        (8, [0, 1, 2, 3, 4, 5, 6, 7, 2, 0], [7, 6, 0]),
        (7, [0, 1, 2, 3, 4, 5, 6, 2, 0], [6, 0]),
    ],
)
def test_affectnet(tmp_path, caplog, num_classes, train, validation):
    write_affectnet(tmp_path, train=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 10, 0], validation=[7, 6, 0])
    splits, label_names = affectnet.load(tmp_path, num_classes)
    eight = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
    assert label_names == eight[:num_classes]
    # Ten and more images: the order is that of the numbers, 2 before 10.
    assert names_of(splits["train"], label_names) == [eight[label] for label in train]
    assert names_of(splits["validation"], label_names) == [eight[label] for label in validation]
    assert f"left out {13 - len(train)} images" in caplog.text


def test_affectnet_says_what_is_wrong(tmp_path):
    write_affectnet(tmp_path, train=[0, 1], validation=[0])
    (tmp_path / "train_set" / "images" / "1.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.jpg does not exist, but .*1_exp\.npy"):
        affectnet.load(tmp_path)
    (tmp_path / "train_set" / "annotations" / "0_exp.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"0_exp\.npy holds no label"):
        affectnet.load(tmp_path)
