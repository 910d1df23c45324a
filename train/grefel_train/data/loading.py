"""
Faces to train on and to validate with, from wherever the flags say, in one form.

`load_face_data` gives splits with the columns `image` and `label` (class ids) or `distribution` (N fractions of votes),
and `group` (video, subject, character) where there is one; other columns stay as they are. The classes and their
order come with the data and are never assumed. Labels are read column by column; no image is decoded here.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, IterableDataset

from grefel_train.data.class_names import parse_pairs
from grefel_train.data.columns import canonical, canonical_stream, choose_label_names, in_memory
from grefel_train.data.sources import FaceSource, load_source
from grefel_train.data.splits import (
    check_classes,
    choose_splits,
    class_ids,
    hold_out,
    sample,
    stratified_share,
    with_classes,
    with_label_noise,
)


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


def load_face_data(
    args: argparse.Namespace, splits: Sequence[str] = ("train", "validation"), label_map: Sequence[str] = ()
) -> FaceData:
    """
    Args:
        args: with the flags of `arguments.add_data_arguments`.
        splits: which of "train" and "validation" are wanted; the other is None.
        label_map: "data_name=name", for classes that are to have other names, or one name together; "data_name=" leaves
            a class out.

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
    found_names, names = label_names, parse_pairs(label_map, label_names)
    label_names = tuple(dict.fromkeys(name for old in found_names if (name := names.get(old, old))))
    ids = np.array([label_names.index(name) if (name := names.get(old, old)) else -1 for old in found_names])

    def readable(split: Dataset, title: str) -> Dataset:
        split = canonical(split, title, source, args, found_names)
        return with_classes(split, ids, label_names) if names else split

    from_train = raw_validation is None or bool(args.validation_groups)
    if "train" in splits or from_train:
        train = readable(raw_train, "train")
    if from_train:
        train, validation = hold_out(train, args)
    elif "validation" in splits:
        validation = readable(raw_validation, "validation")
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
