"""Adapters of sets that are image files, on small trees in the real layouts with the real label orders."""

import logging

import numpy as np
import pytest

from grefel_train.data.adapters import ADAPTERS, affectnet, affwild2, fergdb, jaffe, rafdb
from grefel_train.data.face_data import class_ids, group_ids
from tests.helpers.adapter_trees import (
    brightness,
    grey,
    write_affectnet,
    write_affwild2,
    write_face,
    write_fergdb,
    write_jaffe,
    write_rafdb,
)


def names_of(split, label_names) -> list[str]:
    """The class names of a split; the pictures must have been made with the same labels."""
    assert [brightness(image) for image in split["image"]] == [grey(label) for label in split["label"]]
    assert tuple(split.features["label"].names) == tuple(label_names)
    return [label_names[label] for label in split["label"]]


def test_every_format_has_an_adapter():
    assert set(ADAPTERS) == {"ferplus", "rafdb", "affectnet", "affwild2", "fergdb", "jaffe"}


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


def test_affwild2(tmp_path, caplog):
    train = {"12-24-1920x1080": [0, 1, 2, -1, 3], "video5_left": [4, 5, 6, 7]}
    write_affwild2(tmp_path, train, {"video9": [6, -1, 7]}, missing={("video5_left", 2)})
    # Later videos came in a folder of their own.
    (tmp_path / "cropped_aligned_new_50_vids").mkdir()
    (tmp_path / "cropped_aligned" / "video9").rename(tmp_path / "cropped_aligned_new_50_vids" / "video9")
    splits, label_names = affwild2.load(tmp_path)
    assert label_names == ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
    found = names_of(splits["train"], label_names)
    assert found == ["neutral", "anger", "disgust", "fear", "happiness", "surprise", "other"]
    assert splits["train"]["group"] == ["12-24-1920x1080"] * 4 + ["video5_left"] * 3
    assert group_ids(splits["train"]).tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert names_of(splits["validation"], label_names) == ["surprise", "other"]
    assert "left out 1 without a label and 1 without a crop" in caplog.text


def test_affwild2_takes_the_order_from_the_files(tmp_path):
    write_affwild2(tmp_path, {"a": [0, 1]}, {"b": [0]})
    for file in tmp_path.glob("**/*_Set/*.txt"):
        file.write_text(
            file.read_text().replace("Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other", "Sadness,Joy")
        )
    assert affwild2.load(tmp_path).label_names == ("sadness", "joy")
    file.write_text(file.read_text().replace("Sadness,Joy", "Joy,Sadness"))
    with pytest.raises(ValueError, match="other files with"):
        affwild2.load(tmp_path)


def test_affwild2_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cropped_aligned/VIDEO"):
        affwild2.load(tmp_path)
    write_affwild2(tmp_path, {"a": [0, 8]}, {"b": [0]})
    with pytest.raises(ValueError, match=r"a\.txt, line 3: .*'8'"):
        affwild2.load(tmp_path)


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


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=list(ADAPTERS))
def test_a_folder_that_is_not_there(tmp_path, adapter):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        adapter(tmp_path / "nowhere")


def test_labels_and_groups_need_no_image(tmp_path):
    write_fergdb(tmp_path, characters=("aia",), images=1)
    for image in tmp_path.glob("*/*/*.png"):
        image.write_bytes(b"no image")
    train = fergdb.load(tmp_path).splits["train"]
    assert np.bincount(class_ids(train)).tolist() == [1] * 7
    assert group_ids(train).tolist() == [0] * 7


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog):
    caplog.set_level(logging.WARNING)
