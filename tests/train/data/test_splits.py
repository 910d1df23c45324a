"""What is held out, drawn and refused."""

import numpy as np
import pytest
from datasets import ClassLabel, DatasetDict

from grefel_train.data.splits import class_ids
from tests.helpers.adapter_trees import (
    write_fergdb,
    write_imagefolder,
)
from tests.helpers.face_tables import NAMES, faces, load, save
from tests.helpers.ferplus_files import write_ferplus

pytestmark = pytest.mark.usefixtures("own_cache")


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


def test_an_empty_class_of_the_data(tmp_path):
    train = faces([0, 2], ClassLabel(names=list(NAMES)))
    flags = save(tmp_path, train)
    with pytest.raises(ValueError, match="No training image shows happiness"):
        load(*flags)
    data = load(*flags, "--label_names", "anger", "sadness")  # what the message proposes
    assert data.train["label"] == [1, 0]


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


def test_the_split_that_is_trained_on_is_not_validated_on(tmp_path):
    named = save(tmp_path, faces(["sadness"] * 4), faces([NAMES[row % 3] for row in range(30)]))[:2]
    data = load(*named, "--train_split", "validation", "--validation_fraction", 0.2)
    assert (len(data.train), len(data.validation)) == (24, 6)
