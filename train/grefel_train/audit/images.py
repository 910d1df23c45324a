"""The images whose labels are audited: all splits one after another, each image with its place and its file."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset, Image, concatenate_datasets

from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.adapters.fer2013 import FILES as FER2013_FILES
from grefel_train.data.columns import canonical, choose_label_names
from grefel_train.data.sources import FILE_BUILDERS, load_source
from grefel_train.data.splits import class_ids
from grefel_train.evaluation.images import dataset_title, file_names


@dataclass(frozen=True)
class AuditImages:
    """
    M images of all splits.

    Attributes:
        title: the data's name for people.
        splits: the splits in canonical form, by name, in the order of the images.
        label_names: the N classes in the order of their ids.
        images: M rows with the column `image`, undecoded.
        labels: (M,) class ids as they are given; of a distribution, the class on top.
        split_names: (M,) of which split each image is.
        rows: (M,) its row there.
        groups: (M,) a number for each video or subject, -1 where none is known.
        files: M names: its path, the name that the data gives, or "row 7 of train".
    """

    title: str
    splits: dict[str, Dataset]
    label_names: tuple[str, ...]
    images: Dataset
    labels: np.ndarray
    split_names: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    files: list[str]


def load_audit_images(args: argparse.Namespace) -> AuditImages:
    """
    Args:
        args: with the flags of `arguments.add_source_arguments` and `add_label_arguments`, `train_dir` and `split`.

    Raises:
        OSError: a file or folder is not there.
        ValueError: flags or data that do not fit, or a single class.
    """
    args = with_plain_folders(args)
    source = load_source(args)
    unknown = [name for name in args.split or () if name not in source.splits]
    if unknown:
        raise ValueError(f"{source.name} has no split {unknown[0]!r} (--split); it has {', '.join(source.splits)}.")
    found = {name: source.splits[name] for name in args.split or source.splits}
    label_names = choose_label_names(source, found.get("train", next(iter(found.values()))), args)
    if len(label_names) < 2:
        raise ValueError(f"{source.name} has one class only ({label_names[0]}): there is nothing to mistake it for.")
    splits = {name: canonical(data, name, source, args, label_names) for name, data in found.items()}
    return joined(dataset_title(args), splits, label_names)


def joined(title: str, splits: dict[str, Dataset], label_names: Sequence[str]) -> AuditImages:
    """Canonical splits as one."""
    lengths = [len(split) for split in splits.values()]
    files = []
    for name, split in splits.items():
        files += file_names(split) or [f"row {row} of {name}" for row in range(len(split))]
    undecoded = [split.select_columns("image").cast_column("image", Image(decode=False)) for split in splits.values()]
    return AuditImages(
        title=title,
        splits=splits,
        label_names=tuple(label_names),
        images=concatenate_datasets(undecoded),
        labels=np.concatenate([class_ids(split) for split in splits.values()]),
        split_names=np.repeat(list(splits), lengths),
        rows=np.concatenate([np.arange(length) for length in lengths]),
        groups=numbered(splits),
        files=files,
    )


def numbered(splits: dict[str, Dataset]) -> np.ndarray:
    """(M,) a number for each group that the data names, the same in all splits; -1 for none."""
    names = []
    for split in splits.values():
        has_groups = "group" in split.features
        names += read_column(split, "group").to_pylist() if has_groups else [None] * len(split)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    return np.array([numbers.get(name, -1) for name in names])


def with_plain_folders(args: argparse.Namespace) -> argparse.Namespace:
    """The flags, where --dataset_dir is no published set but a table of images or a folder of class folders."""
    if not args.dataset_dir or args.dataset_format:
        return args
    path = Path(args.dataset_dir).expanduser()
    if path.suffix in FILE_BUILDERS and path.is_file():
        return argparse.Namespace(**vars(args) | {"dataset_dir": None, "dataset_name": str(path)})
    published = any(path.glob("*.parquet")) or any((path / name).exists() for name in FER2013_FILES)
    if path.is_dir() and not published:
        return argparse.Namespace(**vars(args) | {"dataset_dir": None, "train_dir": str(path)})
    return args
