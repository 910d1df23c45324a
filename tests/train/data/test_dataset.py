"""Rows of a dataset as tensors, at random access and as a stream, and what becomes of images that cannot be read."""

import re

import datasets
import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from PIL import Image

from grefel_hf import GReFELImageProcessor
from grefel_hf.faces.photos import decodable_formats, load_photo
from grefel_train.data.dataset import BadImageError, FaceDataset, FaceStream, pixels_of
from grefel_train.data.splits import training_target_column
from tests.helpers.adapter_trees import (
    brightness,
    grey,
    write_imagefolder,
)
from tests.helpers.face_tables import NAMES, faces, load

pytestmark = pytest.mark.usefixtures("own_cache")


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
        # Pillow's own conversion to grey rounds this colour the other way.
        "a near tie": Image.new("RGB", (9, 9), (92, 224, 136)),
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


def first_failure(items, workers: int) -> str:
    """What is said where an item cannot be loaded."""
    iterator = iter(torch.utils.data.DataLoader(items, num_workers=workers))
    with pytest.raises(BadImageError) as caught:
        list(iterator)
    if workers:
        # Else the garbage collector does it, after it closed the queues by which they are told: five seconds for each.
        iterator._shutdown_workers()
    return str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_an_error(partly_bad, workers):
    message = first_failure(FaceDataset(partly_bad, processor(), "label"), workers)
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


def test_images_are_read_as_the_predictor_reads_them(tmp_path, caplog):
    """Of HEIC, of 16 bits, turned by EXIF, and torn: one way of reading, and what was done to them is told once."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    folder = tmp_path / "faces" / "anger"
    folder.mkdir(parents=True)
    decodable_formats()  # registers HEIF
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.save(folder / "phone.heic")
    noise.save(folder / "turned.webp", exif=exif, lossless=True)
    Image.fromarray(np.asarray(noise.convert("L")).astype(np.uint16) * 257).save(folder / "deep.png")
    noise.save(folder / "torn.jpg")
    (folder / "torn.jpg").write_bytes((folder / "torn.jpg").read_bytes()[:-2])
    (folder / "notes.txt").write_text("not a face")
    write_imagefolder(tmp_path / "faces", ("happiness",), images=1)
    data = load("--train_dir", tmp_path / "faces", "--validation_fraction", 0).train
    assert "Left out, as no image is called so: 1 file" in caplog.text and "notes.txt" in caplog.text
    files = [row["path"] for row in data.cast_column("image", datasets.Image(decode=False))["image"]]
    assert len(files) == 5
    for settings in ({}, {"do_grayscale": True}):
        caplog.clear()
        items = FaceDataset(data, processor(**settings), "label")
        for index, file in enumerate(files):
            expected = by_the_processor(load_photo(file), processor(**settings), 40)
            assert torch.equal(items[index]["pixels"], expected), file
            assert torch.equal(items[index]["pixels"], expected)
        assert caplog.text.count("torn.jpg: damaged: its end is missing") == (0 if settings else 1)


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
    message = first_failure(FaceStream(data.train, processor(), "label"), workers=1)
    assert message.startswith("Row 2 of train") and "unknown label 'anger'" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_of_a_stream(tmp_path, workers):
    write_imagefolder(tmp_path / "train", NAMES, images=2)
    write_imagefolder(tmp_path / "validation", NAMES, images=1)
    (tmp_path / "train" / "happiness" / "0.png").write_bytes(b"no image")
    flags = ["--train_dir", tmp_path / "train", "--validation_dir", tmp_path / "validation", "--streaming"]
    train = load(*flags).train
    message = first_failure(FaceStream(train, processor(), "label"), workers)
    assert re.search(r"0\.png .*of the stream\): .*--on_bad_image skip", message)
    stream = FaceStream(train, processor(), "label", on_bad_image="skip", shuffle_buffer=0)
    labels = [
        item["labels"].item() for item in torch.utils.data.DataLoader(stream, batch_size=None, num_workers=workers)
    ]
    assert stream.num_bad_images == 1
    # Another stands in, so that all processes have as many.
    assert len(labels) == 6 and sorted(labels) == [0, 0, 1, 1, 2, 2]
