"""What is evaluated on: images with their labels under every protocol, in the classes of the model."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from datasets import Dataset

from grefel_train.data.adapters import title_of
from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.adapters.ferplus import EMOTIONS, load_ferplus, majority_labels
from grefel_train.data.columns import ROW
from grefel_train.data.loading import load_face_data
from grefel_train.data.sources import dataset_format, folder_title
from grefel_train.data.splits import class_ids, group_ids, sample
from grefel_train.evaluation.groups import NO_ENTRY
from grefel_train.evaluation.label_map import describe, label_map, map_distributions

MOST_GROUPS = 30


@dataclass(frozen=True)
class EvaluationData:
    """
    Attributes:
        images: M rows with the column `image`.
        label_names: the classes that labels and votes count in.
        labels: (M,) class ids, -1 for an image that only the votes' protocol has.
        votes: (M, N) fractions, or None.
        repeats: (M,) bool, images known to repeat an earlier one pixel by pixel (of the training split, too), or None.
        clusters: (M,) ids of the video or subject, or None.
        groups: values (M,) of each column to compare groups by.
        dataset, protocol, split: what it is, for people.
        mapping: classes of the data by those of the model, None where they are the same.
        classes: (N,) ids in the model of `label_names`, or None before they are known.
    """

    images: Dataset
    label_names: tuple[str, ...]
    labels: np.ndarray
    votes: np.ndarray | None
    repeats: np.ndarray | None
    clusters: np.ndarray | None
    groups: dict[str, list[str]]
    dataset: str
    protocol: str | None
    split: str
    mapping: dict[str, str | None] | None = None
    classes: np.ndarray | None = None


def load_evaluation_data(args: argparse.Namespace) -> EvaluationData:
    """
    The split that the flags name, in its own classes.

    Raises:
        OSError, ValueError: as `load_face_data`, or a column to group by is not there.
    """
    votes = protocol = None
    if args.dataset_dir and dataset_format(args) == "ferplus":
        # All images that have votes; the majority protocol is a part of them.
        data = load_ferplus(args.dataset_dir, args.validation_split or "validation", "probability")
        data, label_names = sample(data, args.max_eval_samples), EMOTIONS
        labels, protocol = majority_labels(np.asarray(read_column(data, "votes").to_pylist())), "majority"
    else:
        found = load_face_data(args, splits=("validation",))
        if found.validation is None:
            raise ValueError("there are no images to evaluate on: name them with --split or --validation_fraction.")
        data, label_names = found.validation, found.label_names
        labels = class_ids(data)
    if "distribution" in data.column_names:
        votes = np.asarray(read_column(data, "distribution").to_pylist(), np.float32)
    repeats = None
    if "duplicate_of" in data.column_names:
        repeats = np.array([first is not None for first in read_column(data, "duplicate_of").to_pylist()])
    metadata = read_metadata(data, args.metadata_csv) if args.metadata_csv else {}
    return EvaluationData(
        images=data,
        label_names=tuple(label_names),
        labels=np.asarray(labels, np.int64),
        votes=votes,
        repeats=repeats,
        clusters=group_ids(data),
        groups={name: group_values(data, name, metadata) for name in args.group_columns},
        dataset=dataset_title(args),
        protocol=protocol,
        split=args.validation_split or "validation",
    )


def in_model_classes(data: EvaluationData, model_names: Sequence[str], pairs: Sequence[str]) -> EvaluationData:
    """
    The data in the classes of the model; images of classes that are left out are dropped.

    Raises:
        ValueError: as `label_map`, or no image is left.
    """
    mapping = label_map(data.label_names, model_names, pairs)
    labels = np.where(data.labels >= 0, mapping[data.labels], -1)
    votes = None if data.votes is None else map_distributions(data.votes, mapping, len(model_names))
    keep = labels >= 0 if votes is None else (labels >= 0) | (votes.sum(1) > 0)
    if not (labels >= 0).any():
        raise ValueError("no image has a label in the model's classes: see --label_map.")
    rows = np.flatnonzero(keep)
    return replace(
        data,
        images=data.images if keep.all() else data.images.select(rows),
        label_names=tuple(model_names),
        labels=labels[rows],
        votes=None if votes is None else votes[rows],
        repeats=None if data.repeats is None else data.repeats[rows],
        clusters=None if data.clusters is None else data.clusters[rows],
        groups={name: [values[row] for row in rows] for name, values in data.groups.items()},
        mapping=describe(mapping, data.label_names, model_names)
        if tuple(data.label_names) != tuple(model_names)
        else None,
        classes=np.arange(len(model_names)),
    )


def only_shown_classes(data: EvaluationData) -> EvaluationData:
    """The same without the model's classes that no image is labelled with; votes for them do not count."""
    shown, labels = np.unique(np.append(data.labels, -1), return_inverse=True)  # -1 comes first
    shown = shown[1:]
    return replace(
        data,
        label_names=tuple(data.label_names[index] for index in shown),
        labels=labels[:-1] - 1,
        votes=None
        if data.votes is None
        else map_distributions(data.votes[:, shown], np.arange(len(shown)), len(shown)),
        classes=data.classes[shown],
    )


def with_repeats(data: EvaluationData, rows: np.ndarray) -> EvaluationData:
    """The same with these rows, too, known as repetitions of earlier images."""
    repeats = np.zeros(len(data.labels), bool) if data.repeats is None else data.repeats.copy()
    repeats[rows] = True
    return replace(data, repeats=repeats)


def dataset_title(args: argparse.Namespace) -> str:
    """The data's name for people: of a published set, a Hub id, or the last part of a path."""
    if args.dataset_dir:
        return title_of(dataset_format(args))
    if args.dataset_name:
        return Path(args.dataset_name).name if Path(args.dataset_name).exists() else args.dataset_name
    return folder_title(args.validation_dir or args.train_dir)


def file_names(data: Dataset) -> list[str] | None:
    """The path or name of each image's file: the column `file_name` or `name`, or the image's path; None without."""
    for column in ("file_name", "name"):
        if column in data.column_names:
            return [str(name) for name in read_column(data, column).to_pylist()]
    return image_paths(data)


def image_paths(data: Dataset) -> list[str] | None:
    """The path of each image's file; None where one has none."""
    batches = data.select_columns("image").with_format("arrow").iter(1000)
    paths = [path for batch in batches for path in pc.struct_field(batch["image"], "path").to_pylist()]
    return None if None in paths else paths


def read_metadata(data: Dataset, file: Path) -> dict[str, list]:
    """
    Columns of a CSV file by the images of `data`, matched by file name, or by as much of the path as the file has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no column file_name, a name twice, or none of the images.
    """
    if not file.is_file():
        raise FileNotFoundError(f"--metadata_csv {file} is no file.")
    table = pd.read_csv(file, dtype=str)
    if "file_name" not in table:
        raise ValueError(f"{file} has no column file_name; it has {', '.join(table)}.")
    names = file_names(data)
    if names is None:
        raise ValueError("--metadata_csv goes by file names, and the images of this data have none.")
    depth = max((len(Path(name).parts) for name in table["file_name"]), default=1)
    names = [Path(*Path(name).parts[-depth:]).as_posix() for name in names]
    for place, listed in ((f"{file} has", table["file_name"].tolist()), ("the data has images called", names)):
        if len(set(listed)) < len(listed):
            twice = next(name for name, count in Counter(listed).items() if count > 1)
            raise ValueError(f"{place} {twice} twice: put as much of the path into file_name as tells them apart.")
    rows = table.set_index("file_name").reindex(names)
    if not set(names) & set(table["file_name"]):
        raise ValueError(f"{file} has none of the images; the first is called {names[0]}.")
    return {column: rows[column].tolist() for column in rows}


def group_values(data: Dataset, column: str, metadata: dict[str, list]) -> list[str]:
    """The column's value for each image as text, `NO_ENTRY` where there is none."""
    if column in metadata:
        values = metadata[column]
    elif column in data.column_names and column != "image":
        values = read_column(data, column).to_pylist()
        feature = data.features[column]
        if hasattr(feature, "int2str"):
            values = [value if value is None else feature.int2str(value) for value in values]
    else:
        raise ValueError(
            f"there is no column {column!r} (--group_columns); there are "
            f"{', '.join([c for c in data.column_names if c not in ('image', ROW)] + list(metadata))}."
        )
    values = [NO_ENTRY if pd.api.types.is_scalar(value) and pd.isna(value) else str(value) for value in values]
    if len(set(values)) > MOST_GROUPS:
        raise ValueError(
            f"--group_columns {column}: {len(set(values))} different values are too many to compare; make groups of "
            f"them first (at most {MOST_GROUPS})."
        )
    return values
