"""Columns of all kinds in one form, and those that cannot be found."""

import pytest
from datasets import ClassLabel, Dataset

from grefel_train.data.splits import group_ids
from tests.helpers.adapter_trees import (
    brightness,
    grey,
)
from tests.helpers.face_tables import NAMES, faces, load, save

pytestmark = pytest.mark.usefixtures("own_cache")


def test_class_ids_with_names_are_mapped_by_name(tmp_path):
    train = faces([0, 1, 2, 0], ClassLabel(names=list(NAMES)))
    validation = faces([0, 1, 2], ClassLabel(names=["anger", "sadness", "happiness"]))
    data = load(*save(tmp_path, train, validation))
    assert data.label_names == NAMES
    assert data.train["label"] == [0, 1, 2, 0]
    assert data.validation["label"] == [2, 0, 1]
    assert data.validation.features["label"].names == list(NAMES)


def test_plain_numbers(tmp_path):
    flags = save(tmp_path, faces([7, 1, 5, 5]), faces([5, 7]))
    data = load(*flags)
    assert data.label_names == ("1", "5", "7")
    assert data.train["label"] == [2, 0, 1, 1] and data.validation["label"] == [1, 2]
    with pytest.raises(ValueError, match=r"Row 0 of train .* unknown label 7; known are sadness"):
        load(*flags, "--label_names", *NAMES)
    # Given names stand for 0, 1, 2, ...
    data = load(*save(tmp_path / "from_0", faces([2, 0, 1])), "--label_names", *NAMES)
    assert data.label_names == NAMES and data.train["label"] == [2, 0, 1]
    # And so they do where the data calls its classes 0, 1, 2.
    numbered = faces([2, 0, 1], ClassLabel(names=["0", "1", "2"]))
    assert load(*save(tmp_path / "numbered", numbered), "--label_names", *NAMES).label_names == NAMES


def test_names(tmp_path):
    data = load(*save(tmp_path, faces(["happiness", "sadness", "anger"]), faces(["sadness"])))
    assert data.label_names == ("anger", "happiness", "sadness")
    assert data.train["label"] == [1, 2, 0] and data.validation["label"] == [2]
    data = load(*save(tmp_path / "2", faces(["happiness", "sadness", "anger"])), "--label_names", *NAMES)
    assert data.label_names == NAMES and data.train["label"] == [1, 0, 2]


def test_columns_by_flag(tmp_path):
    train = faces([1, 0, 1], video=["b", "a", "b"]).rename_columns({"image": "face", "label": "emotion"})
    flags = save(tmp_path, train.add_column("label", [9, 9, 9]))
    data = load(*flags, "--label_column_name", "emotion", "--group_column_name", "video")
    assert data.train["label"] == [1, 0, 1] and data.label_names == ("0", "1")
    assert [brightness(image) for image in data.train["image"]] == [grey(row) for row in range(3)]
    assert group_ids(data.train).tolist() == [0, 1, 0]
    for flag in ("--image_column_name", "--label_column_name", "--group_column_name"):
        with pytest.raises(ValueError, match=rf"no column 'nothing' \({flag}\); it has face, video, emotion, label"):
            load(*flags, flag, "nothing")


def test_columns_that_cannot_be_found(tmp_path):
    train = faces([0, 1]).rename_column("label", "emotion")
    with pytest.raises(ValueError, match="no column `label`; .* image, emotion"):
        load(*save(tmp_path, train))
    train = Dataset.from_dict({"greys": ["1 2", "3 4"], "label": [0, 1]})
    with pytest.raises(ValueError, match="no column `image`; .* greys, label"):
        load(*save(tmp_path / "2", train))


def test_pixels_as_numbers(tmp_path):
    lines = [f"{label},{' '.join([str(grey(row))] * 48 * 48)},Training" for row, label in enumerate((3, 1, 3))]
    for name, header in (("fer.csv", "emotion,pixels,Usage"), ("icml.csv", "emotion, pixels, Usage")):
        (tmp_path / name).write_text("\n".join([header, *lines]) + "\n")
        flags = ["--dataset_name", tmp_path / name, "--label_column_name", "emotion", "--validation_fraction", 0]
        data = load(*flags)
        assert data.label_names == ("1", "3") and data.train["label"][:] == [1, 0, 1]
        assert [brightness(image) for image in data.train["image"]] == [grey(row) for row in range(3)]
    (tmp_path / name).write_text("\n".join([header, *lines, "1,1 2 3,Training"]) + "\n")
    with pytest.raises(ValueError, match="Row 3 has pixels that make no square image"):
        load(*flags)
