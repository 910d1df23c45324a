"""The images that a person should look at, each with the reason, and the pairs of images that show one picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grefel_hf.files import write_text
from grefel_hf.spreadsheets import csv_text
from grefel_train.audit.duplicates import Pair
from grefel_train.audit.images import AuditImages
from grefel_train.audit.observations import Observations

KINDS = {"label": "Label likely wrong", "copy": "Copies with different labels", "no face": "No face found"}
ALIKE = {"exact": "the same picture", "near": "nearly the same picture", "mirrored": "the same picture in a mirror"}


@dataclass(frozen=True)
class Suspect:
    """
    An image to look at.

    Attributes:
        position: which image.
        kind: of `KINDS`, the first that applies.
        proposed: class id.
        probability: of the given label being wrong.
        distribution: (N,) over the right class.
        reason: sentences.
    """

    position: int
    kind: str
    proposed: int
    probability: float
    distribution: np.ndarray
    reason: str


def find_suspects(
    images: AuditImages,
    seen: Observations,
    right: np.ndarray,
    pairs: Sequence[Pair],
    faceless: Iterable[int],
    min_probability: float,
) -> list[Suspect]:
    """
    Args:
        right: (len(seen.positions), N) distribution of the right class of each image that was read.
        pairs: by positions of images.
        faceless: positions of images in which no face was found.

    Returns:
        The images whose label is wrong with `min_probability`, that have a copy of another label, or that have no
        face; kind by kind, the likeliest first.
    """
    faceless, suspects = set(faceless), []
    copies: dict[int, list[str]] = {}
    for pair in pairs:
        for this, other in (pair[:2], pair[1::-1]):
            if images.labels[this] != images.labels[other]:
                text = (
                    f"{images.files[other]} is {ALIKE[pair.kind]}, labelled {images.label_names[images.labels[other]]}."
                )
                copies.setdefault(this, []).append(text)
    for index, position in enumerate(seen.positions.tolist()):
        given, distribution = images.labels[position], right[index]
        wrong = 1.0 - float(distribution[given])
        kinds = [("label", wrong >= min_probability), ("copy", position in copies), ("no face", position in faceless)]
        kind = next((name for name, applies in kinds if applies), None)
        if kind is None:
            continue
        proposed = int(distribution.argmax())
        reasons = [label_reason(images, seen, index, proposed)] if wrong >= min_probability else []
        reasons += copies.get(position, []) + ["No face was found in it."] * (position in faceless)
        suspects.append(Suspect(position, kind, proposed, wrong, distribution, " ".join(reasons)))
    return sorted(suspects, key=lambda suspect: (list(KINDS).index(suspect.kind), -suspect.probability))


def label_reason(images: AuditImages, seen: Observations, index: int, proposed: int) -> str:
    """Why a label is doubted: what speaks for the proposed class."""
    names = images.label_names
    voices = [f"The other labels suggest {names[proposed]}"]
    if seen.corrected is not None:
        share = seen.corrected[index]
        voices.append(f"the model's answer is {names[int(share.argmax())]} ({share.max():.0%})")
    if seen.nearest_anchor is not None and (anchor := int(seen.nearest_anchor[index])) >= 0:
        voices.append(f"the nearest anchor is one of {names[anchor]}")
    return f"{'; '.join(voices)}; the model's confidence is {seen.confidence[index]:.2f}."


def write_suspects(file: Path, images: AuditImages, suspects: Sequence[Suspect]):
    """suspects.csv: a row for each, the likeliest of each kind first."""
    names = images.label_names
    rows = [
        {
            **place(images, suspect.position),
            "kind": suspect.kind,
            "proposed": names[suspect.proposed],
            "probability_wrong": round(suspect.probability, 4),
            "reason": suspect.reason,
            **{f"probability_{name}": round(float(p), 4) for name, p in zip(names, suspect.distribution)},
        }
        for suspect in suspects
    ]
    columns = ["split", "row", "file", "given", "kind", "proposed", "probability_wrong", "reason"]
    table = pd.DataFrame(rows, columns=[*columns, *(f"probability_{name}" for name in names)])
    write_text(file, csv_text(table))


def write_pairs(file: Path, images: AuditImages, pairs: Sequence[Pair]):
    """pairs.csv: images that show one picture, and whether labels and splits differ."""
    rows = []
    for pair in pairs:
        first, second = place(images, pair.first), place(images, pair.second)
        row = {"kind": pair.kind, **first, **{f"other_{name}": value for name, value in second.items()}}
        row |= {"labels_differ": first["given"] != second["given"], "splits_differ": first["split"] != second["split"]}
        rows.append(row)
    names = ["split", "row", "file", "given"]
    columns = ["kind", *names, *(f"other_{name}" for name in names), "labels_differ", "splits_differ"]
    write_text(file, csv_text(pd.DataFrame(rows, columns=columns)))


def place(images: AuditImages, position: int) -> dict:
    """Where an image is, and its label, as tables have it."""
    return {
        "split": str(images.split_names[position]),
        "row": int(images.rows[position]),
        "file": images.files[position],
        "given": images.label_names[images.labels[position]],
    }
