"""
Faces to train on and to validate with, from wherever the flags say, in one form.

`load_face_data` gives splits with the columns `image` and `label` (class ids) or `distribution` (N fractions of votes),
and `group` (video, subject, character) where there is one; other columns stay as they are. The classes and their
order come with the data and are never assumed. Labels are read column by column; no image is decoded here.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, IterableDataset

from grefel_train.data.adapters import ADAPTERS
from grefel_train.data.adapters.ferplus import PROTOCOLS
from grefel_train.data.columns import canonical, canonical_stream, choose_label_names, in_memory
from grefel_train.data.sources import FaceSource, load_source
from grefel_train.data.splits import (
    VALIDATION_SPLITS,
    check_classes,
    choose_splits,
    class_ids,
    group_ids,
    hold_out,
    sample,
    stratified_share,
    training_target_column,
    with_label_noise,
)
from grefel_train.flags import FlagParser, Scope

__all__ = [
    "FaceData",
    "add_data_arguments",
    "add_source_arguments",
    "class_ids",
    "group_ids",
    "load_face_data",
    "training_target_column",
]


@dataclass(frozen=True)
class FaceData:
    """
    Splits in canonical form; `label_names` become id2label. `calibration` is what --calibration_fraction keeps out of
    training.
    """

    train: Dataset | IterableDataset | None
    validation: Dataset | None
    label_names: tuple[str, ...]
    calibration: Dataset | None = None


def add_source_arguments(add: Callable[..., Any]) -> None:
    """The flags (of a `FlagParser`) that say where images are; `load_source` and `find_image_column` use them."""
    add(
        "--dataset_name",
        scope=Scope.RUN,
        help="Hub id, or a path: a file or folder that `datasets` loads or has saved.",
    )
    add("--dataset_config_name", help="Configuration of --dataset_name.")
    add("--dataset_dir", scope=Scope.MACHINE, help="Folder of a published set (--dataset_format).")
    add(
        "--dataset_format",
        choices=list(ADAPTERS),
        help="Layout of --dataset_dir, ferplus by default; train/adapters tells where to ask for each set.",
    )
    add("--image_column_name", help="Default: image, img, or the only column of images.")
    add(
        "--ferplus_protocol",
        choices=PROTOCOLS[::-1],
        default="probability",
        help="Training target of FER+: all votes, or the class of the majority.",
    )
    add("--affectnet_classes", type=int, choices=[7, 8], default=8, help="7 leaves contempt out.")


def add_data_arguments(parser: FlagParser) -> None:
    """All flags about data."""
    add = parser.add_argument_group("data").add_argument
    add_source_arguments(add)
    add("--train_dir", scope=Scope.MACHINE, help="Folder of training images, one folder for each class.")
    add("--validation_dir", scope=Scope.MACHINE, help="The same for validation images.")
    add("--train_split", default="train", help="Name of the training split.")
    add("--validation_split", help=f"Name of the validation split; default: {', '.join(VALIDATION_SPLITS)}, if any.")
    add(
        "--validation_fraction",
        type=float,
        default=0.1,
        help="Where there is no validation split: the share of each class that is held out; 0 for none.",
    )
    add(
        "--calibration_fraction",
        type=float,
        default=0.0,
        help="Share of each class of the training split that is never trained on, for train/calibrate.py.",
    )
    add(
        "--validation_groups",
        nargs="+",
        help="Hold out these groups (subjects, characters, videos) of the training split instead.",
    )
    add("--label_column_name", help="Default: label, labels, or the only column of class ids.")
    add("--group_column_name", help="Column with the video or subject of an image; default: group, if any.")
    add(
        "--label_names",
        nargs="+",
        help="Classes in the order of their ids: another order than the data has, names for numbers, or the columns "
        "of votes.",
    )
    add("--streaming", action=argparse.BooleanOptionalAction, default=False, help="Read training data as it comes.")
    add(
        "--on_bad_image",
        choices=["error", "skip"],
        default="error",
        help="An unreadable image ends the run, or a neighbour takes its place.",
    )
    add("--label_noise", type=float, default=0.0, help="For experiments: share of training images with a wrong label.")
    add("--max_train_samples", type=int, help="Train on so many images, drawn at random.")
    add("--max_eval_samples", type=int, help="Validate with so many images, drawn at random.")


def load_face_data(args: argparse.Namespace, splits: Sequence[str] = ("train", "validation")) -> FaceData:
    """
    Args:
        args: with the flags of `add_data_arguments`.
        splits: which of "train" and "validation" are wanted; the other is None.

    Raises:
        OSError: a file, folder or dataset is not there.
        ValueError: flags or data that do not fit; the message names the flag, the column or the row.
    """
    source = load_source(args)
    raw_train, raw_validation = choose_splits(source, args, splits)
    label_names = choose_label_names(source, raw_train if raw_train is not None else raw_validation, args)
    if args.streaming:
        return load_streams(raw_train, raw_validation, source, args, splits, label_names)
    train = validation = None
    from_train = raw_validation is None or bool(args.validation_groups)
    if "train" in splits or from_train:
        train = canonical(raw_train, "train", source, args, label_names)
    if from_train:
        train, validation = hold_out(train, args)
    elif "validation" in splits:
        validation = canonical(raw_validation, "validation", source, args, label_names)
    calibration = None
    if "train" in splits:
        if args.calibration_fraction:
            chosen = stratified_share(class_ids(train), args.calibration_fraction, "--calibration_fraction")
            calibration, train = train.select(np.flatnonzero(chosen)), train.select(np.flatnonzero(~chosen))
        check_classes(train, label_names)
        train = sample(train, args.max_train_samples)
        if args.label_noise:
            train = with_label_noise(train, args.label_noise, len(label_names))
    return FaceData(
        train if "train" in splits else None,
        sample(validation, args.max_eval_samples) if "validation" in splits else None,
        label_names,
        calibration,
    )


def load_streams(
    raw_train: IterableDataset | None,
    raw_validation: IterableDataset | None,
    source: FaceSource,
    args: argparse.Namespace,
    splits: Sequence[str],
    label_names: tuple[str, ...],
) -> FaceData:
    """Training images as a stream; validation images, which every epoch reads again, kept in memory."""
    train = validation = None
    if "train" in splits:
        train = canonical_stream(raw_train, source, args, label_names)
        train = train.take(args.max_train_samples) if args.max_train_samples else train
    if "validation" in splits:
        if raw_validation is None or args.validation_groups:
            raise ValueError(f"--streaming needs a validation split; {source.name} has none (--validation_split).")
        raw_validation = in_memory(raw_validation, args.max_eval_samples)
        validation = canonical(raw_validation, "validation", source, args, label_names)
    return FaceData(train, validation, label_names)
