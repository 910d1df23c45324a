"""A model over rows of a dataset, as tables of predictions."""

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from datasets import Dataset
from PIL import Image

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.bulk import overlapped
from grefel_hf.faces.cropping import crop_face
from grefel_hf.faces.detection import FaceDetector
from grefel_hf.results import PARTS
from grefel_hf.runtime.torch_network import on_device
from grefel_train.data.class_names import class_names
from grefel_train.data.dataset import BadImageError, normalize, pixels_of, read_image, report_bad_image, to_unit_range

BOX = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class Entry:
    """One row to be: what is known of it, and uint8 pixels (3, S, S) if there is a face."""

    columns: dict[str, Any]
    pixels: torch.Tensor | None = None


class PartPredictor:
    """
    Makes tables with the columns row (number in the data), image (its name, if it has one), then, with a detector, face
    (from 1; 0 for an image without any), the box and detector_score; label, score, corrected_CLASS, primary_CLASS,
    confidence_PART of the parts that the model has, embedding where it is asked for, and the error of an unreadable
    image, whose other columns are empty.

    A table depends on its rows alone: batches do not reach beyond it, and come in the order of the rows.

    Args:
        data: undecoded images in `column`.
        args: batch_size, num_workers, on_bad_image, embeddings.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        data: Dataset,
        column: str,
        model: GReFELForImageClassification,
        processor: GReFELImageProcessor,
        detector: FaceDetector,
    ):
        self.args, self.data, self.column = args, data, column
        self.model, self.processor, self.detector = model, processor, detector
        self.labels = class_names(model.config)
        self.workers = args.num_workers or os.cpu_count() or 1

    def table(self, rows: range) -> pa.Table:
        """A row for each face, and one for an image without any."""
        images = zip(rows, (row[self.column] for row in self.data.select(rows)))
        found = overlapped(self.find, images, ahead=2 * self.args.batch_size, workers=self.workers)
        table = []
        for batch in batches_of_faces(found, self.args.batch_size):
            pixels = [entry.pixels for entry in batch if entry.pixels is not None]
            outputs = iter(self.run(torch.stack(pixels)) if pixels else ())
            table += [entry.columns | ({} if entry.pixels is None else next(outputs)) for entry in batch]
        return pa.Table.from_pylist(table, schema=self.schema())

    def find(self, item: tuple[int, dict | None]) -> list[Entry]:
        """The entries of one row, given with its number. Raises BadImageError, unless bad images are skipped."""
        row, image = item
        columns = {"row": row, "image": (image or {}).get("path")}
        try:
            return self._entries(columns, read_image(image))
        except BadImageError as error:
            report_bad_image(f"row {row}", image, error, self.args.on_bad_image)
            return [Entry(columns | {"error": str(error)})]

    def _entries(self, columns: dict[str, Any], picture: Image.Image) -> list[Entry]:
        if self.detector.name == "none":
            return [Entry(columns, self._pixels(picture))]
        entries = [
            Entry(
                columns | {"face": number, "detector_score": face.score} | dict(zip(BOX, face.box)),
                self._pixels(crop_face(picture, face)),
            )
            for number, face in enumerate(self.detector.detect(picture), start=1)
        ]
        return entries or [Entry(columns | {"face": 0})]

    def _pixels(self, picture: Image.Image) -> torch.Tensor:
        return pixels_of(picture, self.processor, self.processor.size["height"])

    @torch.inference_mode()
    def run(self, pixels: torch.Tensor) -> list[dict[str, Any]]:
        """The model's columns for each face of a batch (B, 3, S, S)."""
        images = normalize(to_unit_range(on_device(pixels, self.model.device)), self.processor)
        output = self.model(pixel_values=images)
        values = {}
        for name, logits in (("corrected", output.logits), ("primary", output.primary_logits)):
            probabilities = logits.softmax(-1).cpu()  # (B, N)
            values |= {f"{name}_{label}": probabilities[:, i].tolist() for i, label in enumerate(self.labels)}
        top = output.logits.softmax(-1).max(-1)
        values |= {"label": [self.labels[i] for i in top.indices.tolist()], "score": top.values.tolist()}
        for name in PARTS:
            if (confidence := output.get(f"{name}_confidence")) is not None:
                values[f"confidence_{name}"] = confidence.tolist()
        if self.args.embeddings:
            values["embedding"] = output.embedding.float().tolist()
        return [dict(zip(values, face)) for face in zip(*values.values())]

    def schema(self) -> pa.Schema:
        """The same for every part, whatever is in it."""
        real = pa.float32()
        fields = {"row": pa.int64(), "image": pa.string()}
        if self.detector.name != "none":
            fields |= {"face": pa.int32(), **dict.fromkeys(BOX, real), "detector_score": real}
        fields |= {"label": pa.string(), "score": real}
        fields |= {f"{name}_{label}": real for name in ("corrected", "primary") for label in self.labels}
        fields |= {f"confidence_{name}": real for name in PARTS}
        if self.args.embeddings:
            fields["embedding"] = pa.list_(real)
        return pa.schema(list((fields | {"error": pa.string()}).items()))


def batches_of_faces(found: Iterable[list[Entry]], size: int) -> Iterator[list[Entry]]:
    """Entries in order, so many that `size` of them are faces; fewer in the last batch."""
    batch, faces = [], 0
    for entry in (entry for entries in found for entry in entries):
        batch.append(entry)
        faces += entry.pixels is not None
        if faces == size:
            yield batch
            batch, faces = [], 0
    if batch:
        yield batch
