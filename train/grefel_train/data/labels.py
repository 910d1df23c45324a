"""
Labels of a dataset, whatever form they have there, as class ids or as distributions over named classes; and as the
loss aims at them, softer or sharper.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import ClassLabel, Features, LargeList, List, Value

from grefel_hf.model.losses import as_distribution
from grefel_train.data.class_names import folded

logger = logging.getLogger(__name__)

# Tells a row in error messages: "row 17 of the split 'train'".
Locate = Callable[[int], str]


@dataclass(frozen=True)
class LabelColumns:
    """
    Where a dataset keeps its labels.

    `names` is one column of class ids, of class names or of lists (votes or a distribution), or several columns of
    votes, one for each class. `soft` says whether they make a distribution; `classes` are the class names by the
    data's own ids or positions, None where the values themselves are the names.
    """

    names: tuple[str, ...]
    soft: bool
    classes: tuple[str, ...] | None

    @property
    def target(self) -> str:
        """The canonical column that they become."""
        return "distribution" if self.soft else "label"


def find_label_columns(
    features: Features, label_column: str | None, label_names: Sequence[str] | None, source: str
) -> LabelColumns:
    """
    The label columns among `features`: the one named by the flag, else vote columns that are called as the
    `label_names`, else `label` or `labels`, else the only column of class ids.

    Raises:
        ValueError: there are none; the message lists the columns.
    """
    label_names = tuple(label_names) if label_names else None
    votes = label_names or ()
    class_label_columns = [name for name, feature in features.items() if isinstance(feature, ClassLabel)]
    usual = [name for name in ("label", "labels", "distribution") if name in features]
    if label_column:
        if label_column not in features:
            raise ValueError(
                f"{source} has no column {label_column!r} (--label_column_name); it has {', '.join(features)}."
            )
        names = (label_column,)
    elif len(votes) > 1 and all(name in features and is_number(features[name]) for name in votes):
        return LabelColumns(votes, soft=True, classes=votes)
    elif usual:
        names = (usual[0],)
    elif len(class_label_columns) == 1:
        names = (class_label_columns[0],)
    else:
        raise ValueError(
            f"{source} has no column `label`; name one of its columns with --label_column_name, or its columns of "
            f"votes with --label_names: {', '.join(features)}."
        )
    feature = features[names[0]]
    if isinstance(feature, ClassLabel):
        classes = tuple(feature.names)
        # Names for ids that the data calls 0, 1, 2, say; otherwise the flag only gives an order.
        if label_names and len(label_names) == len(classes) and not set(label_names) & set(classes):
            classes = label_names
        return LabelColumns(names, soft=False, classes=classes)
    if isinstance(feature, List | LargeList):
        return LabelColumns(names, soft=True, classes=label_names)
    if is_number(feature):
        return LabelColumns(names, soft=False, classes=label_names)
    if isinstance(feature, Value):
        return LabelColumns(names, soft=False, classes=None)
    raise ValueError(f"{source}: the column {names[0]!r} holds no labels but {feature}.")


def is_number(feature) -> bool:
    return isinstance(feature, Value) and feature.dtype.startswith(("int", "uint", "float"))


def occurring_classes(
    columns: LabelColumns, arrays: Sequence[pa.Array], locate: Locate = "row {}".format
) -> tuple[str, ...]:
    """
    Class names of a split that has no others: its values in order, or "0", "1", ... for positions in lists. Values that
    differ in case or spaces only are one class, by its commonest spelling, and a warning says so.

    Raises:
        ValueError: a number that is no id of a class.
    """
    if columns.soft:
        return tuple(map(str, range(len(arrays[0][0].as_py()))))
    counts = {row["values"]: row["counts"] for row in pc.value_counts(arrays[0].drop_null()).to_pylist()}
    for value in counts:
        if isinstance(value, int | float) and not (value >= 0 and float(value).is_integer()):
            row = pc.index(arrays[0], pa.scalar(value, arrays[0].type)).as_py()
            raise ValueError(
                f"{locate(row)} has the label {value}, which is no id of a class (0, 1, 2, ...): leave such rows out "
                "of the data, or name the column of labels with --label_column_name."
            )
    counts = {int(value) if isinstance(value, float) else value: count for value, count in counts.items()}
    spellings: dict[str, list[str]] = {}
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        spellings.setdefault(folded(value), []).append(value)
    for first, *others in spellings.values():
        if others:
            logger.warning("%s are one class, %r: they differ in case or spaces only.", [first, *others], first)
    return tuple(str(first) for first, *_ in sorted(spellings.values(), key=lambda names: names[0]))


def read_labels(
    columns: LabelColumns, arrays: Sequence[pa.Array], label_names: Sequence[str], locate: Locate
) -> np.ndarray:
    """
    Args:
        arrays: the values of `columns.names`, each of M rows.
        label_names: N classes in the order of their ids.
        locate: names a row, by its number, in messages.

    Returns:
        (M,) int64 class ids, or (M, N) float32 distributions.

    Raises:
        ValueError: a label that is missing or not in `label_names`, or votes that make no distribution.
    """
    if columns.soft:
        return read_distributions(columns, arrays, label_names, locate)
    return read_class_ids(columns.classes, arrays[0], label_names, locate)


def read_class_ids(
    classes: Sequence[str] | None, array: pa.Array, label_names: Sequence[str], locate: Locate
) -> np.ndarray:
    """(M,) int64 ids of the labels in `array`, which are ids into `classes` or, without them, names."""
    encoded = array.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    index = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    position = {name: i for i, name in enumerate(label_names)}
    by_folded = {folded(name): i for i, name in enumerate(label_names)}

    def class_id(value) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if classes is None:
            return position.get(str(value), by_folded.get(folded(value), -1))
        known = float(value).is_integer() and 0 <= value < len(classes)
        return position.get(classes[int(value)], -1) if known else -1

    ids = np.array([class_id(value) for value in values] + [-1], dtype=np.int64)[index]
    unknown = np.flatnonzero(ids < 0)
    if len(unknown):
        row = int(unknown[0])
        value = array[row].as_py()
        if value is None:
            raise ValueError(f"{locate(row)} has no label.")
        name = classes[value] if classes is not None and value in range(len(classes)) else value
        raise ValueError(f"{locate(row)} has the unknown label {name!r}; known are {', '.join(label_names)}.")
    return ids


def read_distributions(
    columns: LabelColumns, arrays: Sequence[pa.Array], label_names: Sequence[str], locate: Locate
) -> np.ndarray:
    """(M, N) float32 fractions of votes."""
    classes = columns.classes or tuple(label_names)
    if len(columns.names) > 1:
        votes = np.stack([array.cast(pa.float32()).to_numpy(zero_copy_only=False) for array in arrays], axis=1)
    else:
        lengths = pc.list_value_length(arrays[0]).fill_null(0).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != len(classes))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"{locate(row)} has {lengths[row]} values in {columns.names[0]!r} for {len(classes)} classes: "
                f"{', '.join(classes)}."
            )
        flat = pc.list_flatten(arrays[0]).cast(pa.float32()).to_numpy(zero_copy_only=False)
        votes = flat.reshape(-1, len(classes))
    bad = np.flatnonzero(~(np.isfinite(votes) & (votes >= 0)).all(1))
    if len(bad):
        raise ValueError(f"{locate(int(bad[0]))} has votes that are negative or no numbers: {votes[bad[0]].tolist()}.")
    empty = np.flatnonzero(votes.sum(1) == 0)
    if len(empty):
        raise ValueError(f"{locate(int(empty[0]))} has no votes: all are 0. Leave such rows out of the data.")
    if tuple(classes) != tuple(label_names):
        votes = in_order(votes, classes, label_names, locate)
    return votes / votes.sum(1, keepdims=True)


def in_order(votes: np.ndarray, classes: Sequence[str], label_names: Sequence[str], locate: Locate) -> np.ndarray:
    """Votes (M, K) for `classes` as votes (M, N) for `label_names`."""
    for column, name in enumerate(classes):
        rows = np.flatnonzero(votes[:, column])
        if name not in label_names and len(rows):
            raise ValueError(
                f"{locate(int(rows[0]))} has votes for the unknown label {name!r}; known are {', '.join(label_names)}."
            )
    ordered = np.zeros((len(votes), len(label_names)), np.float32)
    for column, name in enumerate(label_names):
        if name in classes:
            ordered[:, column] = votes[:, classes.index(name)]
    return ordered


def target_distributions(
    labels: torch.Tensor, num_labels: int, smoothing: float = 0.0, sharpening: float = 1.0
) -> torch.Tensor:
    """
    Args:
        labels: class ids (B,) or distributions (B, N).
        smoothing: share of the uniform distribution that is mixed in, in [0, 1].
        sharpening: exponent G of y^G / sum(y^G); above 1 it draws votes towards the majority's, 1 leaves them.

    Returns:
        (B, N), sharpened first, then smoothed.
    """
    targets = as_distribution(labels, num_labels)
    if sharpening != 1.0:
        targets = targets.pow(sharpening)
        targets = targets / targets.sum(-1, keepdim=True)
    return torch.lerp(targets, torch.full_like(targets, 1.0 / num_labels), smoothing) if smoothing else targets
