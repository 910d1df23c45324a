import datasets
import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, List, Value

from grefel_train.audit.decisions import COLUMNS, Decision, read_decisions, write_labels
from grefel_train.audit.images import joined
from tests.helpers.face_tables import faces, load
from tests.helpers.training_runs import write_faces


def in_files(folder):
    """Nine faces of three classes in files, six of them to train with."""
    for split, count in (("train", 6), ("validation", 3)):
        write_faces(folder / split, count)
    found = load("--train_dir", folder)
    return joined("faces", {"train": found.train, "validation": found.validation}, found.label_names)


def in_rows(soft: bool):
    feature = datasets.ClassLabel(names=["=a", "b"])
    split = faces([0, 1, 1, 1], feature, name=["x", "y", "z", "w"])
    if soft:
        split = split.remove_columns("label").add_column(
            "distribution", [[0.6, 0.4], [0.0, 1.0], [0.3, 0.7], [0.5, 0.5]], feature=List(Value("float32"), length=2)
        )
    return joined("rows", {"train": split}, ["=a", "b"])


def write(file, *rows):
    pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False)
    return file


def test_decisions_change_labels_and_nothing_else(tmp_path):
    images = in_files(tmp_path / "faces")
    places = [(images.split_names[i], images.rows[i], images.files[i]) for i in range(9)]
    given = [images.label_names[label] for label in images.labels]
    other = "happiness" if given[7] != "happiness" else "anger"
    file = write(
        tmp_path / "decisions.csv",
        (*places[0], given[0], "keep", ""),
        (*places[1], given[1], "change", given[1]),
        (*places[2], given[2], "remove", ""),
        (*places[7], given[7], "change", other),
    )
    decisions = read_decisions(file, images)
    assert decisions == [Decision(2, None), Decision(7, images.label_names.index(other))]
    before = {path: path.read_bytes() for path in (tmp_path / "faces").rglob("*.png")}
    write_labels(tmp_path / "out" / "labels", images, decisions)
    assert {path: path.read_bytes() for path in (tmp_path / "faces").rglob("*.png")} == before
    found = load("--dataset_name", tmp_path / "out" / "labels")  # as training reads it
    assert found.label_names == images.label_names and (len(found.train), len(found.validation)) == (5, 3)
    assert found.validation["label"][1] == images.label_names.index(other)
    assert list(found.train["label"]) == [label for i, label in enumerate(images.labels[:6]) if i != 2]
    assert np.array(found.validation[1]["image"]).shape == (48, 48, 3)
    with pytest.raises(ValueError, match="labels exists, and an audit overwrites no labels"):
        write_labels(tmp_path / "out" / "labels", images, [])


@pytest.mark.parametrize("soft", [False, True])
def test_images_that_are_no_files_are_written_with_their_labels(soft, tmp_path):
    images = in_rows(soft)
    file = write(tmp_path / "d.csv", ("train", 1, "y", "b", "change", "'=a"), ("train", 2, "z", "b", "remove", ""))
    write_labels(tmp_path / "labels", images, read_decisions(file, images))
    names = ["--label_names", "=a", "b"] if soft else []
    found = load("--dataset_name", tmp_path / "labels", *names, "--validation_fraction", 0, splits=("train",))
    assert found.label_names == ("=a", "b") and list(found.train["name"]) == ["x", "y", "w"]
    if soft:
        np.testing.assert_allclose(found.train["distribution"], [[0.6, 0.4], [1, 0], [0.5, 0.5]])
    else:
        assert list(found.train["label"]) == [0, 0, 1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("train", 0, "y", "'=a", "keep", ""), "line 2: the data has no image y there"),
        (("train", 9, "x", "'=a", "keep", ""), "no image x there"),
        (("train", 0, "x", "b", "keep", ""), "x is no longer labelled b"),
        (("train", 0, "x", "'=a", "burn", ""), "'burn' is none of keep, change, remove"),
        (("train", 0, "x", "'=a", "change", "c"), "no class 'c'"),
    ],
)
def test_decisions_on_other_data_are_refused(row, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_decisions(write(tmp_path / "d.csv", row), in_rows(False))


def test_two_decisions_on_one_image_and_other_files_are_refused(tmp_path):
    row = ("train", 0, "x", "'=a", "keep", "")
    with pytest.raises(ValueError, match="line 3: x is decided twice"):
        read_decisions(write(tmp_path / "d.csv", row, row), in_rows(False))
    Dataset.from_dict({"file": ["x"]}).to_csv(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="has no column split: it is no decisions.csv"):
        read_decisions(tmp_path / "other.csv", in_rows(False))
