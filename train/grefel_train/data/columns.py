"""A split in canonical form: its columns found, its labels read, its images made readable as such."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, Image, IterableDataset, List, Value

from grefel_train.data.adapters.canonical import list_column, read_column
from grefel_train.data.labels import LabelColumns, find_label_columns, occurring_classes, read_labels
from grefel_train.data.sources import FaceSource

ROW = "source_row"  # where a row was before splits were taken and held out, for messages


def choose_label_names(
    source: FaceSource, split: Dataset | IterableDataset, args: argparse.Namespace
) -> tuple[str, ...]:
    """The classes in the order of their ids: by the flag, by the data's own names, or the labels that occur."""
    if args.label_names:
        if len(set(args.label_names)) < len(args.label_names):
            raise ValueError(f"--label_names has a name twice: {', '.join(args.label_names)}.")
        return tuple(args.label_names)
    if source.label_names:
        return source.label_names
    columns = find_label_columns(features_of(split), args.label_column_name, None, source.name)
    if columns.classes:
        return columns.classes
    if isinstance(split, IterableDataset):
        raise ValueError(f"{source.name} does not name its classes: with --streaming, give them with --label_names.")
    arrays = [read_column(split, name) for name in columns.names]
    return occurring_classes(columns, arrays, lambda row: f"Row {row} of {source.name}")


def features_of(split: Dataset | IterableDataset) -> Features:
    """The features; of a stream that does not know them, by its first row."""
    if split.features is None:
        return Dataset.from_list(list(split.take(1))).features
    return split.features


@dataclass(frozen=True)
class Columns:
    """Where a split has what its canonical form needs."""

    image: str
    group: str | None
    labels: LabelColumns

    @property
    def replaced(self) -> set[str]:
        """Canonical names, under which the split may have something else."""
        return {"image", "label", "distribution", "group"} - {self.image, self.group}


def find_columns(
    features: Features, source: FaceSource, args: argparse.Namespace, label_names: Sequence[str]
) -> Columns:
    """
    Raises:
        ValueError: a column is missing; the message lists those that are there.
    """
    group = args.group_column_name
    if group and group not in features:
        raise ValueError(f"{source.name} has no column {group!r} (--group_column_name); it has {', '.join(features)}.")
    image = find_image_column(features, source, args.image_column_name)
    given_names = label_names if args.label_names else None
    labels = find_label_columns(features, args.label_column_name, given_names, source.name)
    if source.label_names:
        labels = LabelColumns(labels.names, labels.soft, source.label_names)
    group = group or ("group" if "group" in features else None)
    return Columns(image, group, labels)


def find_image_column(features: Features, source: FaceSource, named: str | None) -> str:
    """
    The column that is named, or `image`, `img` or the only one of images, or `pixels`, where a CSV file has numbers.

    Raises:
        ValueError: there is none.
    """
    if named and named not in features:
        raise ValueError(f"{source.name} has no column {named!r} (--image_column_name); it has {', '.join(features)}.")
    images = [name for name, feature in features.items() if isinstance(feature, Image)]
    image = named or next((n for n in ("image", "img") if n in features), None)
    if image is None and not images:
        image = next((n for n in features if n.strip() == "pixels"), None)  # FER2013's header has spaces
    if image is None and len(images) != 1:
        raise ValueError(
            f"{source.name} has no column `image`; name one with --image_column_name: {', '.join(features)}."
        )
    return image or images[0]


def target_feature(columns: Columns, label_names: Sequence[str]) -> List | ClassLabel:
    if columns.labels.soft:
        return List(Value("float32"), length=len(label_names))
    return ClassLabel(names=list(label_names))


def canonical(
    split: Dataset | None, name: str, source: FaceSource, args: argparse.Namespace, label_names: tuple[str, ...]
) -> Dataset | None:
    """A split with the canonical columns."""
    if split is None or source.label_names == label_names:
        return split
    columns = find_columns(split.features, source, args, label_names)
    arrays = [read_column(split, column) for column in columns.labels.names]
    values = read_labels(columns.labels, arrays, label_names, lambda row: f"Row {row} of {name} in {source.name}")
    if not isinstance(split.features[columns.image], Image):
        split = with_images(split, columns.image, source, args.on_bad_image == "error")
    split = split.remove_columns(sorted(columns.replaced & set(split.column_names)))
    if ROW not in split.column_names:
        split = split.add_column(ROW, range(len(split)))
    for old, new in ((columns.image, "image"), (columns.group, "group")):
        if old not in (None, new):
            split = split.rename_column(old, new)
    return split.add_column(
        columns.labels.target,
        values if values.ndim == 1 else list_column(values),
        feature=target_feature(columns, label_names),
    )


def with_images(split: Dataset, column: str, source: FaceSource, must_exist: bool) -> Dataset:
    """
    A column of paths, of web addresses, of bytes, or of texts that are a square image's greys as images.

    Raises:
        ValueError: a file is missing that must exist; the message names it and its row.
    """
    if getattr(split.features[column], "dtype", "") not in ("string", "large_string"):
        return split.cast_column(column, Image())
    texts = read_column(split, column).to_pylist()
    if is_greys(texts[0]):
        images = [greys_image(text, row) for row, text in enumerate(texts)]
        return split.remove_columns(column).add_column(column, images, feature=Image())
    paths = [image_path(text, source.root) for text in texts]
    for row, path in enumerate(paths if must_exist else ()):
        if path is None or not (is_address(path) or Path(path).is_file()):
            raise ValueError(
                f"Row {row} of {source.name}: there is no image {path or 'named'}. Mend it, take it out of the data, "
                "or pass --on_bad_image skip."
            )
    return split.remove_columns(column).add_column(column, paths).cast_column(column, Image())


def is_address(text: str) -> bool:
    return "://" in text


def image_path(text: str | None, root: Path | None) -> str | None:
    """Where an image of a table is: paths start at the table's folder, addresses of the web stand for themselves."""
    return text if root is None or not text or is_address(text) else str(root / text)


def is_greys(text: str | None) -> bool:
    """Whether a text is the numbers of an image rather than its path."""
    return len(numbers := (text or "").split()) >= 16 and all(number.isdigit() for number in numbers)


def greys_image(text: str | None, row: int) -> dict:
    """The encoded image of "70 73 76 ...", row by row. Raises ValueError for what is no square of 0 to 255."""
    try:
        greys = np.array((text or "").split(), dtype=np.uint8)
        side = math.isqrt(len(greys))
        return Image().encode_example(greys.reshape(side, side))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Row {row} has pixels that make no square image of 0 to 255: {error}") from error


@dataclass(frozen=True)
class BatchReader:
    """Makes batches of a stream canonical; a class of its own, as workers that are spawned need."""

    columns: Columns
    types: dict[str, pa.DataType]
    label_names: tuple[str, ...]
    source: str
    root: Path | None

    def __call__(self, batch: dict[str, list], indices: list[int]) -> dict[str, list]:
        labels = self.columns.labels
        arrays = [pa.array(batch[name], type=self.types[name]) for name in labels.names]
        values = read_labels(
            labels, arrays, self.label_names, lambda row: f"Row {indices[row]} of train in {self.source}"
        )
        images = batch[self.columns.image]
        images = [image_path(image, self.root) if isinstance(image, str) else image for image in images]
        converted = {"image": images, labels.target: values.tolist()}
        return converted | ({"group": batch[self.columns.group]} if self.columns.group else {})


def canonical_stream(
    stream: IterableDataset, source: FaceSource, args: argparse.Namespace, label_names: tuple[str, ...]
) -> IterableDataset:
    """A stream with the canonical columns and no others."""
    features = features_of(stream)
    columns = find_columns(features, source, args, label_names)
    if isinstance(features[columns.image], Image):
        stream = stream.cast_column(columns.image, Image(decode=False))
    types = {name: features.arrow_schema.field(name).type for name in columns.labels.names}
    read_batch = BatchReader(columns, types, label_names, source.name, source.root)
    out = Features({"image": Image(), columns.labels.target: target_feature(columns, label_names)})
    if columns.group:
        out["group"] = features[columns.group]
    # With `features` given to `map` itself, images would come out undecoded.
    return stream.map(read_batch, batched=True, with_indices=True, remove_columns=list(features)).cast(out)


def in_memory(stream: IterableDataset, limit: int | None) -> Dataset:
    """A stream, or its first images, read to the end; the images stay compressed."""
    features = features_of(stream)
    images = [name for name, feature in features.items() if isinstance(feature, Image)]
    for name in images:
        stream = stream.cast_column(name, Image(decode=False))
    rows = list(stream.take(limit) if limit else stream)
    return Dataset.from_list(rows, features=features)
