"""FER2013 as Kaggle hands it out."""

import csv
from types import SimpleNamespace

import pytest

from grefel_train.data.adapters import fer2013
from grefel_train.data.sources import load_published
from tests.helpers.adapter_trees import brightness, grey
from tests.helpers.face_tables import load
from tests.helpers.ferplus_files import write_ferplus_csv

pytestmark = pytest.mark.usefixtures("own_cache")
HEADER = ["emotion", "pixels", "Usage"]


def write(file, labels, usage="Training", header=HEADER, side=48, encoding="utf-8"):
    """Plain faces, whose brightness is their label's."""
    with open(file, "w", newline="", encoding=encoding) as lines:
        rows = csv.writer(lines)
        rows.writerow(header)
        rows.writerows([label, " ".join([str(grey(label))] * side**2), usage] for label in labels)


@pytest.mark.parametrize(
    ("name", "header"), [("fer2013.csv", HEADER), ("icml_face_data.csv", ["emotion", " pixels", " Usage"])]
)
def test_seven_classes_by_the_numbers_of_the_file(tmp_path, name, header):
    write(tmp_path / name, range(7), header=header)
    write(tmp_path / name, range(7), header=header, encoding="utf-8-sig")  # as Excel saves it
    splits, label_names = fer2013.load(tmp_path)
    assert label_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert set(splits) == {"train"} and splits["train"]["label"][:] == list(range(7))
    assert [brightness(image) for image in splits["train"]["image"]] == [grey(label) for label in range(7)]


def test_the_file_alone_is_fer2013_and_with_the_votes_ferplus(tmp_path):
    write(tmp_path / "fer2013.csv", 2 * list(range(7)))
    data = load("--dataset_dir", tmp_path)
    assert data.label_names == fer2013.LABEL_NAMES and len(data.validation) == 7
    write_ferplus_csv(tmp_path, [("Training", f"{i}.png", 10 * [0], grey(i)) for i in range(2)])
    with pytest.raises(ValueError, match="is empty"):
        load("--dataset_dir", tmp_path)  # as FER+, whose votes are none here


def test_a_format_that_was_found_out_is_written_down(tmp_path):
    write(tmp_path / "fer2013.csv", range(7))
    args = SimpleNamespace(dataset_dir=str(tmp_path), dataset_format=None)
    assert load_published(args).label_names == fer2013.LABEL_NAMES
    assert args.dataset_format == "fer2013"  # in all_results.json, which the card goes by


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [3, 7]}, "line 3: "),
        ({"labels": [-1]}, "line 2: "),
        ({"labels": [1], "side": 47}, "line 2: .*2209"),
        ({"labels": [1], "usage": "Testing"}, "line 2: the usage 'Testing' is none of Training"),
        ({"labels": [1], "header": ["label", "pixels", "Usage"]}, "has no column emotion"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, change, message):
    write(tmp_path / "fer2013.csv", **change)
    with pytest.raises(ValueError, match=message):
        fer2013.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no fer2013.csv and no icml_face_data.csv"):
        fer2013.load(tmp_path.parent)
