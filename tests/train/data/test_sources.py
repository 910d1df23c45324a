"""Where the data comes from, and what is said where there is none."""

import csv

import numpy as np
import pytest

from grefel_train.data.splits import class_ids, group_ids, training_target_column
from tests.helpers.adapter_trees import (
    brightness,
    grey,
    write_affectnet,
    write_face,
    write_imagefolder,
    write_rafdb,
)
from tests.helpers.face_tables import NAMES, faces, load
from tests.helpers.ferplus_files import write_ferplus

pytestmark = pytest.mark.usefixtures("own_cache")


def test_imagefolder(tmp_path):
    train, validation = tmp_path / "train", tmp_path / "validation"
    write_imagefolder(train, ("anger", "happiness", "sadness"), images=3)
    write_imagefolder(validation, ("anger", "happiness", "sadness"), images=1)
    data = load("--train_dir", train, "--validation_dir", validation)
    assert data.label_names == ("anger", "happiness", "sadness")
    assert data.train["label"] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [brightness(image) for image in data.train["image"]] == [grey(label) for label in data.train["label"]]
    assert data.validation["label"] == [0, 1, 2]
    assert training_target_column(data.train) == "label" and group_ids(data.train) is None
    # Another order is an order of names: the pictures keep their expressions.
    data = load("--train_dir", train, "--validation_dir", validation, "--label_names", *NAMES)
    assert data.label_names == NAMES
    assert data.train["label"] == [2, 2, 2, 1, 1, 1, 0, 0, 0]


def test_local_files(tmp_path):
    train = faces([1, 0, 1, 0])
    train.to_parquet(tmp_path / "faces.parquet")
    data = load("--dataset_name", tmp_path / "faces.parquet", "--validation_fraction", 0.5)
    assert len(data.train) == len(data.validation) == 2
    # Paths in a table start where the table is.
    write_imagefolder(tmp_path / "faces", NAMES, images=1)
    with open(tmp_path / "faces.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label"])
        rows.writerows([f"faces/{name}/0.png", name] for name in NAMES)
    flags = ["--label_names", *NAMES, "--validation_fraction", 0]
    data = load("--dataset_name", tmp_path / "faces.csv", *flags)
    assert data.train["label"] == [0, 1, 2]
    assert [brightness(image) for image in data.train["image"]] == [grey(label) for label in range(3)]
    # A folder of parquet files, as `push_to_hub` writes them.
    folder = tmp_path / "parquet"
    folder.mkdir()
    train.to_parquet(folder / "train-00000-of-00001.parquet")
    train.select([0]).to_parquet(folder / "validation-00000-of-00001.parquet")
    data = load("--dataset_name", folder)
    assert len(data.train) == 4 and len(data.validation) == 1


def test_adapters_by_flag(tmp_path):
    write_ferplus(tmp_path, "train", 10 * np.eye(10, dtype=np.int8)[:8])
    write_ferplus(tmp_path, "validation", 10 * np.eye(10, dtype=np.int8)[[3, 3]])
    data = load("--dataset_dir", tmp_path)  # FER+ is the default
    assert training_target_column(data.train) == "distribution" and training_target_column(data.validation) == "label"
    assert data.label_names[3] == "sadness" and data.validation["label"] == [3, 3]
    assert training_target_column(load("--dataset_dir", tmp_path, "--ferplus_protocol", "majority").train) == "label"
    # Another order goes through the distributions as well.
    order = data.label_names[::-1]
    data = load("--dataset_dir", tmp_path, "--label_names", *order)
    assert class_ids(data.train).tolist() == [7, 6, 5, 4, 3, 2, 1, 0] and data.validation["label"] == [4, 4]
    with pytest.raises(ValueError, match="Row 0 of train .* unknown label 'neutral'"):
        load("--dataset_dir", tmp_path, "--label_names", *order[:-1])

    write_rafdb(tmp_path / "raf", train=[1, 2, 3, 4, 5, 6, 7] * 2, test=[7, 1])
    flags = ["--dataset_format", "rafdb", "--dataset_dir", tmp_path / "raf"]
    assert len(load(*flags).validation) == 7  # there is no validation split: one of each class is held out
    assert load(*flags, "--validation_split", "test").validation["label"] == [6, 0]

    write_affectnet(tmp_path / "affectnet", train=[*range(8)], validation=[7, 0])
    flags = ["--dataset_format", "affectnet", "--dataset_dir", tmp_path / "affectnet", "--affectnet_classes"]
    assert len(load(*flags, 8).label_names) == 8
    seven = load(*flags, 7)
    assert len(seven.label_names) == 7 and len(seven.train) == 7 and seven.validation["label"] == [0]


def test_places_where_there_is_nothing(tmp_path):
    write_face(tmp_path / "flat" / "1.png", 0)
    write_face(tmp_path / "flat" / "2.png", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "faces.txt").touch()
    for flags, error, message in [
        ([], ValueError, "one of --dataset_name, --train_dir and --dataset_dir"),
        (["--dataset_name", "x", "--train_dir", "y"], ValueError, "one of --dataset_name"),
        (["--dataset_format", "jaffe", "--dataset_name", "x"], ValueError, "--dataset_format needs --dataset_dir"),
        (["--train_dir", tmp_path / "none"], OSError, "--train_dir .*none is no folder"),
        (["--train_dir", tmp_path / "empty"], OSError, "empty has no files"),
        (["--train_dir", tmp_path / "flat"], ValueError, "flat has no folders of classes: put the images"),
        (["--dataset_name", tmp_path / "none"], OSError, "there is no such file or folder"),
        (["--dataset_name", "user/none"], OSError, "no such file or folder, and the Hub gives no such dataset"),
        (["--dataset_name", "none.parquet"], OSError, "there is no such file or folder"),
        (["--dataset_name", tmp_path / "faces.txt"], ValueError, "files of data end with .parquet"),
        (["--dataset_dir", tmp_path / "none"], OSError, "none does not exist.* FER\\+ is asked for at https:"),
        (["--dataset_dir", tmp_path / "flat", "--streaming"], ValueError, "--streaming goes with"),
    ]:
        with pytest.raises(error, match=message):
            load(*flags)
