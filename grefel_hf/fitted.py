"""Files of numbers that were fitted to the weights beside them: read strictly, and never used for other weights."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .files import file_digest, write_text
from .hub import WEIGHTS_FILE

logger = logging.getLogger("grefel_hf")

MOST_BYTES = 1_000_000
LARGEST = 1e6  # of any number

Fitted = TypeVar("Fitted")


def read_fitted(
    file: Path, labels: Sequence[str], parse: Callable[[Mapping[str, Any]], Fitted], script: str
) -> Fitted | None:
    """
    What a file in a checkpoint's folder says; None without it, or for one of other weights, which is said in the log.

    Args:
        labels: the model's class names in order.
        parse: of the file's entries makes the result, or raises ValueError, KeyError, TypeError or AttributeError.
        script: makes the file anew.

    Raises:
        ValueError: the file is none of ours; in one sentence.
    """
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        entries = json.loads(file.read_text(encoding="utf-8"))
        found = parse(entries)
        if tuple(entries["labels"]) != tuple(labels):
            raise ValueError("its labels are not the model's")
        weights = entries["weights_sha256"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise ValueError(f"{file} cannot be used: {reason[:300]}.") from error
    beside = file.with_name(WEIGHTS_FILE)
    if not beside.is_file() or weights != file_digest(beside):
        logger.warning("%s was fitted to other weights and is not used: %s makes it anew", file, script)
        return None
    return found


def write_fitted(file: Path, entries: Mapping[str, Any]):
    """Write a file of the weights that lie beside it."""
    write_text(file, json.dumps({**entries, "weights_sha256": file_digest(file.with_name(WEIGHTS_FILE))}) + "\n")


def class_names(entries: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a file; raises ValueError."""
    labels = tuple(entries["labels"])
    if not (labels and all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels)):
        raise ValueError("its labels are no list of different names")
    return labels


def numbers(values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Nested lists as an array of this shape, None standing for any length but 0; raises ValueError."""
    array = np.array(values)
    fits = array.ndim == len(shape) and all(n == m or (m is None and n > 0) for n, m in zip(array.shape, shape))
    if not fits or array.dtype.kind not in "if" or not (abs(array) <= LARGEST).all():  # NaN is not, either
        raise ValueError(f"it holds no {'number' if not shape else 'numbers'} where there have to be some")
    return array.astype(np.float64)
