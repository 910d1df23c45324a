"""Datasets of all kinds in one form, and what is said about data that does not fit."""

import csv

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, List, Value

from grefel_train.data.face_data import class_ids, group_ids, training_target_column
from tests.helpers.adapter_trees import (
    brightness,
    grey,
    write_affectnet,
    write_face,
    write_fergdb,
    write_imagefolder,
    write_rafdb,
)
from tests.helpers.face_tables import NAMES, faces, load, save
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


def test_a_validation_share_is_held_out_of_each_class(tmp_path):
    write_imagefolder(tmp_path, ("anger", "happiness"), images=10)
    write_imagefolder(tmp_path, ("fear",), images=1)
    data = load("--train_dir", tmp_path, "--validation_fraction", 0.2)
    assert np.bincount(class_ids(data.validation)).tolist() == [2, 0, 2]
    assert np.bincount(class_ids(data.train)).tolist() == [8, 1, 8]
    again = load("--train_dir", tmp_path, "--validation_fraction", 0.2)
    paths = [image.filename for image in data.validation["image"]]
    assert paths == [image.filename for image in again.validation["image"]]
    assert not set(paths) & {image.filename for image in data.train["image"]}
    assert load("--train_dir", tmp_path, "--validation_fraction", 0).validation is None
    with pytest.raises(ValueError, match="validation_fraction must be"):
        load("--train_dir", tmp_path, "--validation_fraction", 1.5)


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


@pytest.mark.parametrize("feature", [List(Value("int64")), List(Value("float32"), length=3)])
def test_votes_in_a_list(tmp_path, feature):
    flags = save(tmp_path, faces([[2, 1, 1], [0, 0, 5], [1, 3, 0]], feature))
    data = load(*flags, "--label_names", *NAMES)
    assert data.label_names == NAMES and "label" not in data.train.column_names
    assert training_target_column(data.train) == "distribution"
    assert np.allclose(data.train["distribution"], [[0.5, 0.25, 0.25], [0, 0, 1], [0.25, 0.75, 0]])
    assert class_ids(data.train).tolist() == [0, 2, 1]
    assert load(*flags).label_names == ("0", "1", "2")


def test_votes_in_columns(tmp_path):
    votes = {"anger": [1, 0], "sadness": [3, 0], "happiness": [0, 2]}
    train = faces([0, 1], **votes).rename_column("label", "age")
    data = load(*save(tmp_path, train), "--label_names", "sadness", "happiness", "anger")
    assert np.allclose(data.train["distribution"], [[0.75, 0, 0.25], [0, 1, 0]])
    assert data.train["age"] == [0, 1]  # what else there was stays


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
    train = Dataset.from_dict({"pixels": ["1 2", "3 4"], "label": [0, 1]})
    with pytest.raises(ValueError, match="no column `image`; .* pixels, label"):
        load(*save(tmp_path / "2", train))


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


def test_groups_held_out(tmp_path):
    write_fergdb(tmp_path, characters=("aia", "mery", "ray"), images=1)
    flags = ["--dataset_format", "fergdb", "--dataset_dir", tmp_path]
    data = load(*flags, "--validation_groups", "mery")
    assert set(data.train["group"]) == {"aia", "ray"} and set(data.validation["group"]) == {"mery"}
    with pytest.raises(ValueError, match="no group bob; there are aia, mery, ray"):
        load(*flags, "--validation_groups", "bob")
    with pytest.raises(ValueError, match="none is left"):
        load(*flags, "--validation_groups", "aia", "mery", "ray")


def test_samples(tmp_path):
    write_imagefolder(tmp_path, NAMES, images=10)
    flags = ["--train_dir", tmp_path, "--validation_fraction", 0.5]
    data = load(*flags, "--max_train_samples", 9, "--max_eval_samples", 3)
    assert len(data.train) == 9 and len(data.validation) == 3
    assert len(set(data.train["label"])) > 1  # not the first ones, which are of one class
    assert load(*flags, splits=["validation"]).train is None
    assert load(*flags, splits=["train"]).validation is None


@pytest.mark.parametrize(
    ("labels", "validation", "message"),
    [
        (["happiness", "sadness", "fear"], [], "Row 2 of train .* unknown label 'fear'; known are sadness, happiness"),
        (["happiness", "sadness", None], [], "Row 2 of train .* has no label"),
        (["happiness", "sadness"], [], "No training image shows anger: add images"),
        (["happiness", "sadness", "anger"], ["happiness", "bored"], "Row 1 of validation .* unknown label 'bored'"),
        ([[1, 0, 0], [0, 0, 0]], [], "Row 1 of train .* has no votes"),
        ([[1, 0, 0], [1, 1]], [], "Row 1 of train .* has 2 values in 'label' for 3 classes"),
        ([[1, 0, 0], None], [], "Row 1 of train .* has 0 values"),
        ([[1, 0, 0], [2, -1, 0]], [], "Row 1 of train .* negative"),
        ([[1.0, 0, 0], [float("nan"), 1, 0]], [], "Row 1 of train .* no numbers"),
        ([[1, 0, 0], [0, 1, 0]], [], "No training image shows anger"),
        ([0, 1, -1], [], "Row 2 of train .* unknown label -1"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, validation, message):
    flags = save(tmp_path, faces(labels), faces(validation) if validation else None)
    with pytest.raises(ValueError, match=message):
        load(*flags, "--label_names", *NAMES)


def test_an_empty_class_of_the_data(tmp_path):
    train = faces([0, 2], ClassLabel(names=list(NAMES)))
    flags = save(tmp_path, train)
    with pytest.raises(ValueError, match="No training image shows happiness"):
        load(*flags)
    data = load(*flags, "--label_names", "anger", "sadness")  # what the message proposes
    assert data.train["label"] == [1, 0]


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
        (["--dataset_dir", tmp_path / "none"], OSError, "none does not exist"),
        (["--dataset_dir", tmp_path / "flat", "--streaming"], ValueError, "--streaming goes with"),
    ]:
        with pytest.raises(error, match=message):
            load(*flags)


def test_splits_that_are_not_there(tmp_path):
    empty = faces([0, 1]).select([])
    flags = save(tmp_path, faces([0, 1]), faces([0, 1]))
    with pytest.raises(ValueError, match=r"no split 'dev' \(--validation_split\); it has train, validation"):
        load(*flags, "--validation_split", "dev")
    with pytest.raises(ValueError, match=r"no split 'training' \(--train_split\); it has train, validation"):
        load(*flags, "--train_split", "training")
    DatasetDict({"train": faces([0, 1]), "validation": empty}).save_to_disk(tmp_path / "empty")
    with pytest.raises(ValueError, match="empty cannot be read as a dataset, or is empty"):
        load("--dataset_name", tmp_path / "empty")


def test_labels_are_read_without_images(tmp_path):
    write_imagefolder(tmp_path, NAMES, images=2)
    for file in tmp_path.glob("*/*.png"):
        file.write_bytes(b"no image")
    data = load("--train_dir", tmp_path, "--validation_fraction", 0.5)
    assert class_ids(data.train).tolist() == [0, 1, 2]


# Items as tensors.


def test_what_calibration_keeps_is_never_trained_on(tmp_path):
    write_ferplus(tmp_path, "train", 10 * np.eye(10, dtype=np.int8)[np.arange(160) % 8])
    write_ferplus(tmp_path, "validation", 10 * np.eye(10, dtype=np.int8)[np.arange(16) % 8], seed=1)
    plain, kept = (load("--dataset_dir", tmp_path, "--calibration_fraction", share) for share in (0.0, 0.1))
    assert plain.calibration is None and len(plain.train) == 160
    assert len(kept.calibration) == 16 and set(class_ids(kept.calibration)) == set(range(8))
    assert sorted(kept.train["name"][:] + kept.calibration["name"][:]) == sorted(plain.train["name"][:])
    assert len(kept.validation) == len(plain.validation) == 16
    with pytest.raises(ValueError, match="--calibration_fraction"):
        load("--dataset_dir", tmp_path, "--calibration_fraction", 1.5)


@pytest.mark.parametrize("protocol", ["probability", "majority"])
def test_label_noise_gives_wrong_labels_to_a_share_of_the_images(tmp_path, protocol):
    votes = np.zeros((400, 10), dtype=np.int8)
    votes[np.arange(400), np.arange(400) % 8] = 8
    votes[np.arange(400), (np.arange(400) + 1) % 8] = 2
    for split in ("train", "validation"):
        write_ferplus(tmp_path, split, votes)
    clean, noisy = (
        load("--dataset_dir", tmp_path, "--ferplus_protocol", protocol, "--label_noise", share) for share in (0.0, 0.25)
    )
    wrong = class_ids(clean.train) != class_ids(noisy.train)
    assert 0.2 < wrong.mean() < 0.3
    assert (class_ids(clean.validation) == class_ids(noisy.validation)).all()
    assert noisy.train[0]["image"].size == (48, 48) and noisy.train["name"][:] == clean.train["name"][:]
    if protocol == "probability":
        assert np.allclose(np.sort(noisy.train["distribution"][:], -1)[:, -2:], [0.2, 0.8])
    with pytest.raises(ValueError, match="--label_noise"):
        load("--dataset_dir", tmp_path, "--label_noise", 2.0)
