"""Which rows are for training and which for validation."""

import argparse
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, IterableDataset, List, Value, concatenate_datasets

from grefel_train.data.adapters.canonical import list_column, read_column
from grefel_train.data.arguments import VALIDATION_SPLITS
from grefel_train.data.sources import FaceSource
from grefel_train.evaluation.label_map import map_distributions

# What is held out and which samples are drawn does not move with --seed, so that runs can be compared.
SPLIT_SEED = 0


def training_target_column(split: Dataset | IterableDataset) -> str:
    """The column that training fits: `distribution` where there is one, else `label`."""
    return "distribution" if "distribution" in split.features else "label"


def class_ids(split: Dataset) -> np.ndarray:
    """(M,) class ids; of a distribution, the class on top."""
    array = read_column(split, training_target_column(split))
    if not isinstance(split.features[training_target_column(split)], List):
        return array.to_numpy(zero_copy_only=False)
    return pc.list_flatten(array).to_numpy(zero_copy_only=False).reshape(len(array), -1).argmax(-1)


def group_ids(split: Dataset) -> np.ndarray | None:
    """(M,) a number for each group, or None where the data has no groups; -1 for rows without one."""
    if "group" not in split.features:
        return None
    return read_column(split, "group").dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)


def choose_splits(source: FaceSource, args: argparse.Namespace, wanted: Sequence[str]):
    """The training and the validation split as they were found; None where there is none."""
    names = ", ".join(source.splits)
    train = source.splits.get(args.train_split)
    others = [name for name in VALIDATION_SPLITS if name in source.splits and name != args.train_split]
    validation_split = args.validation_split or next(iter(others), None)
    validation = source.splits.get(validation_split)
    if train is None and ("train" in wanted or validation is None or args.validation_groups):
        raise ValueError(f"{source.name} has no split {args.train_split!r} (--train_split); it has {names}.")
    if args.validation_split and validation is None:
        raise ValueError(f"{source.name} has no split {validation_split!r} (--validation_split); it has {names}.")
    for name, split in ((args.train_split, train), (validation_split, validation)):
        if isinstance(split, Dataset) and not len(split):
            raise ValueError(f"The split {name!r} of {source.name} is empty.")
    return train, validation


def hold_out(train: Dataset, args: argparse.Namespace) -> tuple[Dataset, Dataset | None]:
    """Training and validation rows of a training split: some groups, or a share of each class."""
    if args.validation_groups:
        if "group" not in train.features:
            raise ValueError("--validation_groups needs data with groups; see --group_column_name.")
        groups = np.array([str(group) for group in read_column(train, "group").to_pylist()])
        unknown = sorted(set(args.validation_groups) - set(groups))
        if unknown:
            known = sorted(set(groups))
            listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise ValueError(f"--validation_groups: there is no group {', '.join(unknown)}; there are {listed}.")
        held_out = np.isin(groups, args.validation_groups)
        if held_out.all():
            raise ValueError("--validation_groups names all groups: none is left to train on.")
    elif args.validation_fraction:
        held_out = stratified_share(class_ids(train), args.validation_fraction)
    else:
        return train, None
    return train.select(np.flatnonzero(~held_out)), train.select(np.flatnonzero(held_out))


def stratified_share(classes: np.ndarray, fraction: float, flag: str = "--validation_fraction") -> np.ndarray:
    """
    (M,) bool, true for a random share of each class; for one image at least, unless it is the only one.

    Raises:
        ValueError: the share is not between 0 and 1, or it would leave a split empty.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"{flag} must be at least 0 and less than 1, not {fraction}.")
    rng = np.random.default_rng(SPLIT_SEED)
    chosen = np.zeros(len(classes), bool)
    for label in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == label))
        chosen[rows[: min(max(round(fraction * len(rows)), 1), len(rows) - 1)]] = True
    if not chosen.any():
        raise ValueError("There are too few training images to hold some out: give a validation split.")
    return chosen


def with_classes(split: Dataset, ids: np.ndarray, label_names: Sequence[str]) -> Dataset:
    """
    A split in other classes.

    Args:
        ids: of each class that the split has its place in `label_names`, -1 for one to leave out. Rows without any
            other class go; the votes of the others are shared among what they have left.
    """
    target = training_target_column(split)
    if target == "label":
        labels = ids[class_ids(split)]
        rows = np.flatnonzero(labels >= 0)
        column, feature = labels[rows], ClassLabel(names=list(label_names))
    else:
        flat = pc.list_flatten(read_column(split, target)).to_numpy(zero_copy_only=False)
        votes = map_distributions(flat.reshape(len(split), -1), ids, len(label_names))
        rows = np.flatnonzero(votes.any(1))
        column, feature = list_column(votes[rows]), List(Value("float32"), length=len(label_names))
    return split.select(rows).remove_columns(target).add_column(target, column, feature=feature)


def with_label_noise(train: Dataset, fraction: float, num_labels: int) -> Dataset:
    """
    The training split with wrong labels for a share of its images, drawn at random: for experiments on robustness.

    The classes of a label are shifted by 1 to N - 1 places, so that a wrong class is any other one and a distribution
    stays as undecided as it was.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"--label_noise is a share between 0 and 1, not {fraction}.")
    rng = np.random.default_rng(SPLIT_SEED)
    count = len(train)
    shift = np.where(rng.random(count) < fraction, rng.integers(1, num_labels, count), 0)
    target = training_target_column(train)
    if target == "label":
        labels = (class_ids(train) + shift) % num_labels
        noisy = Dataset.from_dict({target: labels}, features=Features({target: train.features[target]}))
    else:
        flat = pc.list_flatten(read_column(train, target)).to_numpy(zero_copy_only=False).reshape(count, num_labels)
        source = (np.arange(num_labels) - shift[:, None]) % num_labels
        rows = np.take_along_axis(flat, source, axis=1).tolist()
        noisy = Dataset.from_dict({target: rows}, features=Features({target: train.features[target]}))
    return concatenate_datasets([train.remove_columns(target), noisy], axis=1)


def check_classes(train: Dataset, label_names: Sequence[str]) -> None:
    """
    Raises:
        ValueError: a class that no training image shows, or no second class.
    """
    if len(label_names) < 2:
        raise ValueError(f"There is one class only ({', '.join(label_names)}): there is nothing to tell apart.")
    target = training_target_column(train)
    if target == "label":
        weight = np.bincount(class_ids(train), minlength=len(label_names))
    else:
        flat = pc.list_flatten(read_column(train, target)).to_numpy(zero_copy_only=False)
        weight = flat.reshape(-1, len(label_names)).sum(0)
    empty = [name for name, value in zip(label_names, weight) if value == 0]
    if empty:
        raise ValueError(
            f"No training image shows {', '.join(empty)}: add images, or give --label_names the other classes only."
        )


def sample(split: Dataset | IterableDataset | None, count: int | None):
    """A split, or `count` rows of it drawn at random, in their order."""
    if not isinstance(split, Dataset) or not count or count >= len(split):
        return split
    return split.select(np.sort(np.random.default_rng(SPLIT_SEED).choice(len(split), count, replace=False)))
