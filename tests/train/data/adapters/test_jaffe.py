"""JAFFE on a small tree in its real layout, with the real label order."""

import pytest

from grefel_train.data.adapters import jaffe
from tests.helpers.adapter_trees import (
    names_of,
    write_face,
    write_jaffe,
)


def test_jaffe(tmp_path):
    write_jaffe(tmp_path, subjects=("KL", "KA"), images=1)
    (tmp_path / "README_FIRST.txt").write_text("ratings")
    splits, label_names = jaffe.load(tmp_path)
    assert label_names == ("neutral", "happiness", "sadness", "surprise", "anger", "disgust", "fear")
    assert sorted(names_of(splits["train"], label_names)) == sorted(2 * label_names)
    assert splits["train"]["group"] == ["KA"] * 7 + ["KL"] * 7
    write_face(tmp_path / "KA.XX1.99.tiff", 0)
    with pytest.raises(ValueError, match=r"KA\.XX1\.99\.tiff is not named"):
        jaffe.load(tmp_path)
