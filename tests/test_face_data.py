"""Datasets of all kinds in one form, their items as tensors, and what is said about data that does not fit."""

import argparse
import csv

import datasets
import numpy as np
import pytest
import torch
from adapter_trees import (
    brightness,
    grey,
    write_affectnet,
    write_face,
    write_fergdb,
    write_imagefolder,
    write_rafdb,
)
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from ferplus_files import write_ferplus
from PIL import Image

from face_data import FaceData, add_data_arguments, class_ids, group_ids, load_face_data, training_target_column
from face_dataset import BadImageError, FaceDataset, FaceStream, pixels_of
from grefel_hf import GReFELImageProcessor

# Not alphabetical, so that an order which is lost shows.
NAMES = ("sadness", "happiness", "anger")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    # `datasets` waits so long after each pass over a stream of parquet files, for threads that are gone by then.
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)


def load(*flags, splits=("train", "validation")) -> FaceData:
    parser = argparse.ArgumentParser()
    add_data_arguments(parser)
    return load_face_data(parser.parse_args(list(map(str, flags))), splits)


def faces(labels: list, label_feature=None, **columns) -> Dataset:
    """A dataset of plain images, whose brightness is that of the row's number."""
    images = [Image.new("L", (16, 16), grey(row)) for row in range(len(labels))]
    data = Dataset.from_dict({"image": images, **columns}).cast_column("image", datasets.Image())
    return data.add_column("label", labels, feature=label_feature)


def save(folder, train: Dataset, validation: Dataset | None = None):
    """--dataset_name flags of a saved dataset; without a validation split, all rows are for training."""
    DatasetDict({"train": train} | ({"validation": validation} if validation else {})).save_to_disk(folder / "saved")
    return ["--dataset_name", folder / "saved", "--validation_fraction", 0]


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


def processor(**settings) -> GReFELImageProcessor:
    return GReFELImageProcessor(size={"height": 40, "width": 40}, **settings)


def by_the_processor(image, processor, size) -> torch.Tensor:
    call = dict(do_rescale=False, do_normalize=False, return_tensors="pt", size={"height": size, "width": size})
    return processor(image, **call)["pixel_values"][0]


def pictures() -> dict[str, Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (31, 23, 4), dtype=np.uint8)
    palette = Image.fromarray(noise[..., :3]).quantize(16)
    see_through = palette.copy()
    see_through.info["transparency"] = 3
    grey_see_through = Image.fromarray(noise[..., 0])
    grey_see_through.info["transparency"] = 7
    return {
        "grey": Image.fromarray(noise[..., 0]),
        "grey with transparency": grey_see_through,
        "colour": Image.fromarray(noise[..., :3]),
        "alpha": Image.fromarray(noise),
        "grey and alpha": Image.fromarray(noise[..., :2], mode="LA"),
        "palette": palette,
        "palette with transparency": see_through,
        "black and white": Image.fromarray(noise[..., 0] > 128),
        "16 bits": Image.fromarray(noise[..., 0].astype(np.uint16) * 200),
        "of the size": Image.fromarray(np.resize(noise[..., :3], (40, 40, 3))),
    }


@pytest.mark.parametrize("settings", [{}, {"do_grayscale": True}, {"resample": 3}])
@pytest.mark.parametrize("size", [40, 17])
def test_pixels_are_those_of_the_processor(settings, size):
    for name, image in pictures().items():
        expected = by_the_processor(image, processor(**settings), size)
        found = pixels_of(image, processor(**settings), size)
        assert found.dtype == torch.uint8 and torch.equal(found, expected), name


def test_items(tmp_path):
    data = faces([[0.5, 0.5], [1.0, 0.0]]).rename_column("label", "distribution")
    items = FaceDataset(data, processor(), "distribution")
    assert len(items) == 2
    assert items[1]["pixels"].shape == (3, 40, 40) and items[1]["pixels"].dtype == torch.uint8
    assert items[1]["labels"].tolist() == [1.0, 0.0] and items[1]["labels"].dtype == torch.float32
    assert FaceDataset(data, processor(), "distribution", size=48)[0]["pixels"].shape == (3, 48, 48)
    hard = FaceDataset(faces([3, 1]), processor(), "label")
    assert hard[0]["labels"].dtype == torch.int64 and hard[0]["labels"].item() == 3
    assert torch.equal(hard[1]["pixels"], by_the_processor(data[1]["image"], processor(), 40))
    batch = next(iter(torch.utils.data.DataLoader(hard, batch_size=2, num_workers=1)))
    assert batch["pixels"].shape == (2, 3, 40, 40) and batch["labels"].tolist() == [3, 1]


@pytest.fixture
def partly_bad(tmp_path) -> Dataset:
    """Six images; 1 and 2 are no images, 5 is cut off."""
    write_imagefolder(tmp_path / "bad", NAMES, images=2)
    data = load("--train_dir", tmp_path / "bad", "--validation_fraction", 0, "--label_names", *NAMES).train
    files = [row["image"]["path"] for row in data.cast_column("image", datasets.Image(decode=False))]
    for row in (1, 2):
        with open(files[row], "wb") as file:
            file.write(b"no image")
    whole = open(files[5], "rb").read()
    with open(files[5], "wb") as file:
        file.write(whole[: len(whole) // 2])
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_an_error(partly_bad, workers):
    loader = torch.utils.data.DataLoader(FaceDataset(partly_bad, processor(), "label"), num_workers=workers)
    with pytest.raises(BadImageError) as caught:
        list(loader)
    message = str(caught.value)
    assert message.startswith("Cannot read /") and "1.png (row 1): " in message
    assert message.endswith("or pass --on_bad_image skip.") and "Traceback" not in message


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_skipped_and_counted(partly_bad, workers, caplog):
    items = FaceDataset(partly_bad, processor(), "label", on_bad_image="skip")
    loader = torch.utils.data.DataLoader(items, num_workers=workers, batch_size=2)
    for _ in range(2):
        labels = torch.cat([batch["labels"] for batch in loader]).tolist()
        # Row 3 stands in for 1 and 2, and row 0 for 5.
        assert labels == [partly_bad["label"][row] for row in (0, 3, 3, 3, 4, 0)]
    assert items.num_bad_images == 3
    if not workers:  # the log of a worker is its own
        assert [record.message.count("It is skipped") for record in caplog.records] == [1, 1, 1]
        assert "(row 5)" in caplog.text


def test_a_dataset_without_a_good_image(partly_bad):
    items = FaceDataset(partly_bad.select([1, 2]), processor(), "label", on_bad_image="skip")
    with pytest.raises(BadImageError, match="None of the 2 images"):
        items[0]


def test_a_missing_image():
    data = Dataset.from_dict(
        {"image": [None], "label": [0]}, features=Features({"image": datasets.Image(), "label": Value("int64")})
    )
    with pytest.raises(BadImageError, match=r"without a name \(row 0\): there is none"):
        FaceDataset(data, processor(), "label")[0]


# Streams.


@pytest.fixture
def streamed(tmp_path):
    """Flags for 12 training images in two files; labels are names, the brightness tells the row."""
    folder = tmp_path / "faces"  # a folder called test_... would be a test split to `datasets`
    folder.mkdir()
    rows = faces([NAMES[row % 3] for row in range(12)], subject=[f"s{row // 4}" for row in range(12)])
    for shard in range(2):
        rows.select(range(6 * shard, 6 * shard + 6)).to_parquet(folder / f"train-0000{shard}-of-00002.parquet")
    rows.select(range(3)).to_parquet(folder / "validation-00000-of-00001.parquet")
    return ["--dataset_name", folder, "--streaming", "--label_names", *NAMES, "--group_column_name", "subject"]


def rows_of(stream) -> list[int]:
    """Which images came; their labels must have come with them."""
    rows = []
    for batch in torch.utils.data.DataLoader(stream, batch_size=None, num_workers=0):
        row = (int(batch["pixels"].float().mean().round()) - grey(0)) // 20
        assert batch["labels"].item() == row % 3
        rows.append(row)
    return rows


def test_streaming(streamed):
    data = load(*streamed)
    assert isinstance(data.train, datasets.IterableDataset) and isinstance(data.validation, Dataset)
    assert data.label_names == NAMES and data.validation["label"] == [0, 1, 2]
    assert training_target_column(data.train) == "label"
    first = next(iter(data.train))
    assert set(first) == {"image", "label", "group"} and first["group"] == "s0"
    assert brightness(first["image"]) == grey(0)
    assert rows_of(FaceStream(data.train, processor(), "label", shuffle_buffer=0)) == list(range(12))
    limited = load(*streamed, "--max_train_samples", 5, "--max_eval_samples", 2)
    assert rows_of(FaceStream(limited.train, processor(), "label", shuffle_buffer=0)) == list(range(5))
    assert len(limited.validation) == 2


def test_streams_are_shuffled_by_epoch_and_split_by_process(streamed):
    train = load(*streamed).train
    stream = FaceStream(train, processor(), "label", seed=3)
    first = rows_of(stream)
    assert sorted(first) == list(range(12)) and first != list(range(12))
    assert rows_of(stream) == first
    stream.set_epoch(1)
    assert sorted(rows_of(stream)) == list(range(12)) and rows_of(stream) != first
    stream.set_epoch(0)
    assert rows_of(stream) == first
    # Five processes: two each, all different, in the same order of the whole; two are left out.
    parts = [
        rows_of(FaceStream(train, processor(), "label", seed=3, process_index=index, num_processes=5))
        for index in range(5)
    ]
    assert [row for turn in zip(*parts, strict=True) for row in turn] == first[:10]


def test_the_epoch_reaches_workers(streamed):
    stream = FaceStream(load(*streamed).train, processor(), "label")
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in range(2):
        stream.set_epoch(epoch)
        epochs.append([int(batch["pixels"][0, 0, 0]) for batch in loader])
    assert len(epochs[0]) == 12 and sorted(epochs[0]) == sorted(epochs[1]) and epochs[0] != epochs[1]


def test_labels_of_a_stream_that_do_not_fit(streamed):
    with pytest.raises(ValueError, match="give them with --label_names"):
        load(*streamed[:3])
    data = load(*streamed[:3], "--label_names", "sadness", "happiness", "fear", splits=["train"])
    stream = FaceStream(data.train, processor(), "label")
    with pytest.raises(BadImageError) as caught:
        list(torch.utils.data.DataLoader(stream, num_workers=1))
    assert str(caught.value).startswith("Row 2 of train") and "unknown label 'anger'" in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_of_a_stream(tmp_path, workers):
    write_imagefolder(tmp_path / "train", NAMES, images=2)
    write_imagefolder(tmp_path / "validation", NAMES, images=1)
    (tmp_path / "train" / "happiness" / "0.png").write_bytes(b"no image")
    flags = ["--train_dir", tmp_path / "train", "--validation_dir", tmp_path / "validation", "--streaming"]
    train = load(*flags).train
    with pytest.raises(BadImageError, match=r"0\.png .*of the stream\): .*--on_bad_image skip"):
        list(torch.utils.data.DataLoader(FaceStream(train, processor(), "label"), num_workers=workers))
    stream = FaceStream(train, processor(), "label", on_bad_image="skip", shuffle_buffer=0)
    labels = [
        item["labels"].item() for item in torch.utils.data.DataLoader(stream, batch_size=None, num_workers=workers)
    ]
    assert stream.num_bad_images == 1
    # Another stands in, so that all processes have as many.
    assert len(labels) == 6 and sorted(labels) == [0, 0, 1, 1, 2, 2]
