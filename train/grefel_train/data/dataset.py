"""Images of a Hugging Face dataset as face tensors, pixel for pixel as the image processor of inference has them."""

import logging
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat

import numpy as np
import torch
from datasets import Dataset, Image, IterableDataset
from datasets.utils.file_utils import xopen
from PIL import Image as PILImage

from grefel_hf import GReFELImageProcessor
from grefel_hf.faces.links import is_link
from grefel_hf.faces.photos import read_photo
from grefel_hf.model.image_processing_grefel import to_grayscale
from grefel_hf.model.pixels import to_rgb
from grefel_train.data.columns import ROW

MAX_WORKERS = 256  # whose counts are kept apart

logger = logging.getLogger(__name__)


class BadImageError(ValueError):
    """An image, or its label in a stream, that cannot be read; the message names it and what to do."""

    def __init__(self, message: str):
        # A DataLoader re-raises the error of its worker with the worker's whole traceback as the message.
        super().__init__(message.rsplit("BadImageError: ", 1)[-1].strip())


class FaceDataset(torch.utils.data.Dataset):
    """
    Items are dicts of `pixels` (uint8, (3, S, S)) and `labels` (a class id, or a float32 distribution (N,)).

    Pixels are not rescaled or normalised yet, so that augmentation can run on plain images in batches on the training
    device; `normalize` does the rest.

    Args:
        size: S; by default that of the processor. Random crops want more.
        on_bad_image: with "error" an unreadable image raises `BadImageError`; with "skip" the next readable one takes
            its place, and each bad one is logged once by each worker that meets it.
        mark_bad: with "skip", leave a bad image its place, as black pixels, and say of each item whether it is
            `readable`: nothing is to be counted twice where a model is measured.
    """

    def __init__(
        self,
        data: Dataset,
        processor: GReFELImageProcessor,
        label_column: str,
        image_column: str = "image",
        size: int | None = None,
        on_bad_image: str = "error",
        mark_bad: bool = False,
    ):
        columns = [image_column, label_column, *({ROW} & set(data.column_names))]
        self.data = data.select_columns(columns).cast_column(image_column, Image(decode=False))
        self.processor = processor
        self.label_column = label_column
        self.image_column = image_column
        self.size = size or processor.size["height"]
        self.on_bad_image = on_bad_image
        self.mark_bad = mark_bad
        # One flag a row, in memory that the workers of a DataLoader share.
        self.bad = torch.zeros(len(data), dtype=torch.bool).share_memory_()

    @property
    def num_bad_images(self) -> int:
        """How many unreadable images this process and its workers have met."""
        return int(self.bad.sum())

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self.mark_bad:
            item = self.read(index)
            return item | {"readable": torch.tensor(not self.bad[index].item())}
        rows = chain(range(index, len(self)), range(index)) if self.on_bad_image == "skip" else (index,)
        for row in rows:
            if self.bad[row] and self.on_bad_image == "skip":
                continue
            item = self.read(row)
            if not self.bad[row]:
                return item
        raise BadImageError(f"None of the {len(self)} images can be read.")

    def read(self, index: int) -> dict[str, torch.Tensor]:
        """The item of one row; with black pixels, and noted as bad, where it cannot be read and may be skipped."""
        row = self.data[index]
        try:
            pixels = read_pixels(row[self.image_column], self.processor, self.size)
        except BadImageError as error:
            if not self.bad[index]:
                report_bad_image(f"row {row.get(ROW, index)}", row[self.image_column], error, self.on_bad_image)
            self.bad[index] = True
            pixels = torch.zeros(3, self.size, self.size, dtype=torch.uint8)
        return {"pixels": pixels, "labels": torch.tensor(row[self.label_column])}


class FaceStream(torch.utils.data.IterableDataset):
    """
    The items of `FaceDataset` from a streaming dataset, shuffled within a buffer, another way in every epoch.

    Each of `num_processes` processes reads the same stream and keeps every `num_processes`-th image, as many as the
    others: a remainder that does not go round is left out. Nothing must split it again: with more than one process,
    keep its DataLoader out of `accelerator.prepare`. Workers share the stream's files among them.

    Args:
        shuffle_buffer: images that wait to be drawn; 0 keeps the order.
        on_bad_image: with "skip" an unreadable image is logged and counted, and the next readable one comes once more,
            so that no process falls behind the others.
    """

    def __init__(
        self,
        data: IterableDataset,
        processor: GReFELImageProcessor,
        label_column: str,
        image_column: str = "image",
        size: int | None = None,
        on_bad_image: str = "error",
        seed: int = 0,
        shuffle_buffer: int = 1000,
        process_index: int = 0,
        num_processes: int = 1,
    ):
        data = data.cast_column(image_column, Image(decode=False))
        self.data = data.shuffle(seed=seed, buffer_size=shuffle_buffer) if shuffle_buffer else data
        self.processor = processor
        self.label_column = label_column
        self.image_column = image_column
        self.size = size or processor.size["height"]
        self.on_bad_image = on_bad_image
        self.process_index = process_index
        self.num_processes = num_processes
        # A count for each worker of a DataLoader, in memory that they share; the last is for no worker.
        self._num_bad = torch.zeros(MAX_WORKERS + 1, dtype=torch.int64).share_memory_()

    @property
    def num_bad_images(self) -> int:
        """How often this process and its workers have met an unreadable image."""
        return int(self._num_bad.sum())

    def set_epoch(self, epoch: int):
        self.data.set_epoch(epoch)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        item, owed = None, 0
        for index, row in self.own_rows():
            try:
                pixels = read_pixels(row[self.image_column], self.processor, self.size)
            except BadImageError as error:
                report_bad_image(f"image {index} of the stream", row[self.image_column], error, self.on_bad_image)
                worker = torch.utils.data.get_worker_info()
                self._num_bad[worker.id % MAX_WORKERS if worker else -1] += 1
                owed += 1
                continue
            item = {"pixels": pixels, "labels": torch.tensor(row[self.label_column])}
            yield from repeat(item, 1 + owed)
            owed = 0
        if owed and item is None:
            raise BadImageError("No image of the stream can be read.")
        yield from repeat(item, owed)

    def own_rows(self) -> Iterator[tuple[int, dict]]:
        """The rows of this process, with their numbers in the stream."""
        turn = []
        try:
            for row in enumerate(self.data):
                turn.append(row)
                if len(turn) == self.num_processes:
                    yield turn[self.process_index]
                    turn = []
        except ValueError as error:  # a label
            raise BadImageError(str(error)) from error


def report_bad_image(place: str, image: dict | None, error: BadImageError, on_bad_image: str) -> None:
    """Raise the error with the image's name in it, or log it."""
    name = (image or {}).get("path") or "an image without a name"
    message = f"Cannot read {name} ({place}): {error}."
    if on_bad_image == "skip":
        logger.warning("%s It is skipped.", message)
    else:
        raise BadImageError(f"{message} Mend it, take it out of the data, or pass --on_bad_image skip.") from error


def read_pixels(image: dict | None, processor: GReFELImageProcessor, size: int) -> torch.Tensor:
    """
    An undecoded image of a dataset, `bytes` or a `path`, as `pixels_of` has it.

    Raises:
        BadImageError: there is none, or it cannot be decoded.
    """
    return pixels_of(read_image(image), processor, size)


def read_image(image: dict | None) -> PILImage.Image:
    """An undecoded image of a dataset, upright and RGB, as `read_photo` has it everywhere. Raises BadImageError."""
    if image is None:
        raise BadImageError("there is none")
    try:
        photo = read_photo(fetched(image))
    except Exception as error:  # of a photo, of a file in an archive, of the Hub
        raise BadImageError(str(error) or type(error).__name__) from error
    for note in photo.notes:
        say_once(f"{image['path'] or 'An image'}: {note}.")
    return photo.image


def fetched(image: dict) -> dict:
    """The image with its bytes, if it lies in an archive or on the Hub, which `datasets` knows how to reach."""
    path = image["path"]
    if image["bytes"] is not None or not path or "://" not in path or is_link(path):
        return image
    with xopen(path, "rb") as file:
        return image | {"bytes": file.read()}


@lru_cache(maxsize=10_000)
def say_once(message: str) -> None:
    logger.warning(message)


def pixels_of(image: PILImage.Image, processor: GReFELImageProcessor, size: int) -> torch.Tensor:
    """
    uint8 (3, size, size): bit for bit what `processor` makes without rescaling and normalising, several times as fast.
    Three equal channels are resized once.
    """
    if image.mode != "L" or "transparency" in image.info:
        image = to_rgb(image)
        red, green, blue = image.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            image = red
        elif processor.do_grayscale:
            image = PILImage.fromarray(to_grayscale(np.asarray(image).transpose(2, 0, 1))[0])
    array = np.array(image.resize((size, size), processor.resample))
    if array.ndim == 2:
        return torch.from_numpy(array).expand(3, size, size)
    return torch.from_numpy(array).permute(2, 0, 1)  # (size, size, 3) -> (3, size, size)


def normalize(images: torch.Tensor, processor: GReFELImageProcessor) -> torch.Tensor:
    """Images (B, 3, S, S) in [0, 1] to the model's pixel values, by the processor's mean and deviation."""
    mean = images.new_tensor(processor.image_mean).view(-1, 1, 1)
    std = images.new_tensor(processor.image_std).view(-1, 1, 1)
    return (images - mean) / std


def to_unit_range(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 3, S, S) to float32 in [0, 1]."""
    return pixels.float() / 255.0
