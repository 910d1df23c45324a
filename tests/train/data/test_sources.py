"""Where the data comes from, and what is said where there is none."""

import csv

import datasets
import numpy as np
import pytest
from PIL import Image

from grefel_hf import GReFELImageProcessor
from grefel_hf.faces.photos import decodable_formats
from grefel_train.data.dataset import BadImageError, FaceDataset
from grefel_train.data.splits import class_ids, group_ids, training_target_column
from tests.helpers.adapter_trees import (
    brightness,
    grey,
    write_affectnet,
    write_face,
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
        ([], ValueError, "one of --dataset_name, --dataset_dir, --train_dir .or --validation_dir."),
        (["--dataset_name", "x", "--train_dir", "y"], ValueError, "one of --dataset_name"),
        (["--dataset_format", "jaffe", "--dataset_name", "x"], ValueError, "--dataset_format needs --dataset_dir"),
        (["--train_dir", tmp_path / "none"], OSError, "--train_dir .*none is no folder"),
        (["--train_dir", tmp_path / "empty"], OSError, "empty has no files"),
        (["--train_dir", tmp_path / "flat"], ValueError, "flat has no folders of classes: put the images"),
        (["--dataset_name", tmp_path / "none"], OSError, "there is no such file or folder"),
        (["--dataset_name", "user/none"], OSError, "no such file or folder, and the Hub cannot be reached"),
        (["--dataset_name", "none.parquet"], OSError, "there is no such file or folder"),
        (["--dataset_name", tmp_path / "faces.txt"], ValueError, "files of data end with .parquet"),
        (["--dataset_dir", tmp_path / "none"], OSError, "none does not exist.* FER\\+ is asked for at https:"),
        (["--dataset_dir", tmp_path], OSError, "fer2013.csv.* A folder of images.* is named by --dataset_name"),
        (["--dataset_dir", tmp_path / "flat", "--streaming"], ValueError, "--streaming goes with"),
    ]:
        with pytest.raises(error, match=message):
            load(*flags)


def test_folders_of_splits_in_train_dir_are_read_as_splits(tmp_path):
    for split, images in (("train", 4), ("Val", 2), ("test", 1)):
        write_imagefolder(tmp_path / "mine" / split, ("anger", "happiness"), images=images)
    data = load("--train_dir", tmp_path / "mine")
    assert data.label_names == ("anger", "happiness") and (len(data.train), len(data.validation)) == (8, 4)
    assert len(load("--train_dir", tmp_path / "mine", "--validation_split", "test").validation) == 2
    with pytest.raises(ValueError, match="mine holds folders of splits .*: name one"):
        load("--train_dir", tmp_path / "mine", "--validation_dir", tmp_path / "mine" / "test")
    write_imagefolder(tmp_path / "mine", ("fear",), images=1)
    with pytest.raises(ValueError, match="holds splits .Val, test, train. beside other folders .fear."):
        load("--train_dir", tmp_path / "mine")


def test_links_in_folders_are_followed_and_loops_left(tmp_path):
    write_imagefolder(tmp_path / "elsewhere", ("happiness", "other"), images=3)
    write_imagefolder(tmp_path / "faces", ("anger",), images=2)
    (tmp_path / "faces" / "happiness").symlink_to(tmp_path / "elsewhere" / "happiness")
    (tmp_path / "faces" / "anger" / "9.png").symlink_to(tmp_path / "elsewhere" / "other" / "0.png")
    (tmp_path / "faces" / "anger" / "loop").symlink_to(tmp_path / "faces")
    data = load("--train_dir", tmp_path / "faces", "--validation_fraction", 0)
    assert data.label_names == ("anger", "happiness") and sorted(data.train["label"]) == [0, 0, 0, 1, 1, 1]


def test_a_folder_by_name_may_hold_links_alone_or_photos_of_a_phone(tmp_path):
    write_imagefolder(tmp_path / "elsewhere", ("anger", "happiness"), images=2)
    linked, phone = tmp_path / "linked", tmp_path / "phone"
    linked.mkdir()
    for name in ("anger", "happiness"):
        (linked / name).symlink_to(tmp_path / "elsewhere" / name)
        (phone / name).mkdir(parents=True)
        decodable_formats()  # registers HEIF
        Image.new("RGB", (64, 64)).save(phone / name / "1.heic")
    assert len(load("--dataset_name", linked, "--validation_fraction", 0).train) == 4
    assert len(load("--dataset_name", phone, "--validation_fraction", 0).train) == 2


def write_table(folder, rows, columns=("image", "label")):
    with open(folder / "faces.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return ["--dataset_name", folder / "faces.csv"]


def test_a_missing_image_is_told_before_the_first_step_with_its_row(tmp_path):
    write_imagefolder(tmp_path / "faces", ("anger", "fear"), images=2)
    rows = [(f"faces/{name}/{i}.png", name) for i in range(2) for name in ("anger", "fear")]
    rows.insert(2, ("faces/nowhere.png", "fear"))
    flags = [*write_table(tmp_path, rows), "--validation_fraction", 0]
    with pytest.raises(ValueError, match="Row 2 of --dataset_name .*faces.csv: there is no image .*nowhere.png"):
        load(*flags)
    assert len(load(*flags, "--on_bad_image", "skip").train) == 5


def test_a_damaged_image_is_told_with_its_row_of_the_table(tmp_path):
    write_imagefolder(tmp_path / "faces", ("anger", "fear"), images=4)
    rows = [(f"faces/{name}/{i}.png", name) for i in range(4) for name in ("anger", "fear")]
    (tmp_path / rows[5][0]).write_bytes(b"no picture")
    flags = write_table(tmp_path, rows)
    data = load(*flags, "--validation_fraction", 0.5)
    processor = GReFELImageProcessor(size={"height": 16, "width": 16})
    with pytest.raises(BadImageError, match="row 5"):
        for split in (data.train, data.validation):
            list(FaceDataset(split, processor, "label"))


def test_addresses_of_images_stay_what_they_are(tmp_path):
    data = load(*write_table(tmp_path, [("https://example.org/1.png", "a"), ("file:///2.png", "b")] * 2))
    paths = {row["path"] for row in data.train.cast_column("image", datasets.Image(decode=False))["image"]}
    assert paths <= {"https://example.org/1.png", "file:///2.png"} and paths


@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(";", "utf-8-sig"), (", ", "utf-8"), ("\t", "utf-16"), (",", "utf-16-le"), (";", "utf-8")],
)
def test_tables_as_spreadsheets_write_them(tmp_path, separator, encoding):
    for index in range(2):
        write_face(tmp_path / f"{index}.png", index)
    rows = [("image", "label"), ("0.png", "fröhlich"), ("1.png", "traurig")]
    text = "\r\n".join(separator.join(row) for row in rows) + "\r\n"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "faces.csv").write_bytes((mark + text).encode(encoding))
    data = load("--dataset_name", tmp_path / "faces.csv", "--validation_fraction", 0)
    assert data.label_names == ("fröhlich", "traurig") and data.train["label"] == [0, 1]
    assert [brightness(image) for image in data.train["image"]] == [grey(0), grey(1)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -1, 1], "Row 2 of .* has the label -1, which is no id of a class"),
        ([0, 1, 2, 0.5], "Row 3 of .* has the label 0.5"),
        ([3, 3, 3, 3], "one class only .3."),
        (["sad"] * 4, "one class only .sad."),
    ],
)
def test_labels_that_cannot_be_trained_on_are_told_before_the_first_step(tmp_path, labels, message):
    write_face(tmp_path / "1.png", 0)
    with pytest.raises(ValueError, match=message):
        load(*write_table(tmp_path, [("1.png", label) for label in labels]))


def test_whole_numbers_are_ids_whatever_their_type(tmp_path):
    write_face(tmp_path / "1.png", 0)
    data = load(
        *write_table(tmp_path, [("1.png", label) for label in (0.0, 2.0, 0.0, 2.0)]), "--validation_fraction", 0
    )
    assert data.label_names == ("0", "2") and data.train["label"] == [0, 1, 0, 1]


def test_a_label_map_renames_merges_and_leaves_out(tmp_path):
    labels = ["joy", "smile", "sad", "none", "sad"]
    write_face(tmp_path / "1.png", 0)
    flags = [*write_table(tmp_path, [("1.png", label) for label in labels]), "--validation_fraction", 0]
    data = load(*flags, label_map=["joy=happiness", "smile=happiness", "none="])
    assert data.label_names == ("happiness", "sad") and data.train["label"] == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="--label_map 'fun=happiness': write DATA=MODEL"):
        load(*flags, label_map=["fun=happiness"])
    votes = [[2, 0, 1], [0, 0, 3], [1, 1, 0]]
    data = load(*save(tmp_path, faces(votes)), "--label_names", "a", "b", "none", label_map=["none=", "b=a", "a=c"])
    assert data.label_names == ("c", "a")
    assert data.train["distribution"] == [[1, 0], [0.5, 0.5]]


def test_a_hub_that_cannot_be_reached_is_told_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", "http://127.0.0.1:9")
    for switch in ("huggingface_hub.constants.HF_HUB_OFFLINE", "datasets.config.HF_HUB_OFFLINE"):
        monkeypatch.setattr(switch, False)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("waited for another try"))
    with pytest.raises(OSError, match="no such file or folder, and the Hub cannot be reached"):
        load("--dataset_name", "user/faces")
