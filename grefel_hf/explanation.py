"""
What a checkpoint usually does with a face, explanation.json, so that one face can be told from the average one.

train/fit_explanation.py writes the file from images that training never saw; it is not used for other weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .fitted import class_names, numbers, read_fitted, write_fitted
from .hub import EXPLANATION_FILE

VERSION = 1


@dataclass(frozen=True)
class AnchorMap:
    """
    The anchors on a plane, N classes with K each, and what they stand for.

    places: (N, K, 2), x to the right and y upwards, each in [-1, 1]. Neighbours on the plane are neighbours in the
        model's distance as far as two dimensions allow.
    use: (N, K), the mean similarity of the faces (Eq. 14) to each anchor; sums to 1.
    meant: (N, K, N), the labels that people gave to the faces near each anchor, each face weighted by its similarity;
        sums to 1 over the last axis, or is 0 where no face was near at all.
    agreement: share of the faces whose nearest anchor on the plane is the most similar one.
    """

    places: np.ndarray
    use: np.ndarray
    meant: np.ndarray
    agreement: float

    def place(self, similarities: np.ndarray) -> np.ndarray:
        """Where a face lies, (2,): the mean of the anchors' places, weighted by its similarities (N, K)."""
        return np.tensordot(similarities, self.places, axes=2)


@dataclass(frozen=True)
class Explanation:
    """
    labels: class names, in the model's order.
    faces: on how many the rest was measured.
    attention: (S, S), the average face's attention map; None for a model without one.
    anchors: None for a model without any.
    """

    labels: tuple[str, ...]
    faces: int
    attention: np.ndarray | None = None
    anchors: AnchorMap | None = None

    def to_dict(self) -> dict[str, Any]:
        """As explanation.json has it, less the weights."""
        entries: dict[str, Any] = {"version": VERSION, "labels": list(self.labels), "faces": self.faces}
        entries["attention"] = None if self.attention is None else self.attention.tolist()
        entries["anchors"] = self.anchors and {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self.anchors).items()
        }
        return entries


def load_explanation(folder: str | Path, labels: Sequence[str]) -> Explanation | None:
    """
    What the explanation.json of a checkpoint's folder says; None without one, or for one of other weights, which is
    said in the log.

    Args:
        labels: the model's class names in order.

    Raises:
        ValueError: the file is none of ours; in one sentence.
    """
    return read_fitted(Path(folder) / EXPLANATION_FILE, labels, from_dict, "train/fit_explanation.py")


def write_explanation(folder: str | Path, explanation: Explanation):
    """Write the explanation.json of a folder's weights."""
    write_fitted(Path(folder) / EXPLANATION_FILE, explanation.to_dict())


def from_dict(entries: Mapping[str, Any]) -> Explanation:
    """
    The other way round than `Explanation.to_dict`.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: entries are missing, or are not what they have to be.
    """
    if entries["version"] != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    labels = class_names(entries)
    faces = numbers(entries["faces"], ())
    attention = None if entries["attention"] is None else numbers(entries["attention"], (None, None))
    if faces < 1 or (attention is not None and attention.shape[0] != attention.shape[1]):
        raise ValueError("its average attention is that of no face")
    anchors = None if entries["anchors"] is None else _anchor_map(entries["anchors"], len(labels))
    return Explanation(labels, int(faces), attention, anchors)


def _anchor_map(entries: Mapping[str, Any], count: int) -> AnchorMap:
    places = numbers(entries["places"], (count, None, 2))
    use = numbers(entries["use"], places.shape[:2])
    meant = numbers(entries["meant"], (*places.shape[:2], count))
    agreement = numbers(entries["agreement"], ())
    if abs(places).max() > 1 + 1e-6 or min(use.min(), meant.min(), agreement) < 0 or meant.max() > 1 + 1e-6:
        raise ValueError("its anchors lie nowhere")
    return AnchorMap(places, use, meant, float(agreement))
