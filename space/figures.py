"""Figures that several tabs show, as plain data; templates/figures.html.jinja draws them."""

from dataclasses import dataclass

import numpy as np

from grefel_hf import palette
from grefel_hf.results import FacePrediction, right_in_100

from . import sentences as wording
from .data_uris import attention_uri, difference_uri, lossless_uri

# From this share of the strongest colour on, a heat map's figures change from dark to light (or light to dark).
FULL = 0.696


@dataclass(frozen=True)
class Column:
    """A distribution as a column: its heading, a value for each class, the first class's index, what it stands for."""

    name: str
    values: list[float]
    top: int
    meaning: str = ""


@dataclass(frozen=True)
class HeatCell:
    """A cell of a heat map, from no colour (level 0) to all of it (1)."""

    level: float
    text: str
    tip: str
    framed: bool

    @property
    def full(self) -> bool:
        return self.level > FULL


@dataclass(frozen=True)
class Crop:
    """
    The crop that the model saw and what lies over it: data URIs, landmarks (68, 2) in per cent, None if missing.

    compared: whether `attention` is the difference from the average face.
    """

    picture: str
    width: int
    height: int
    attention: str | None
    landmarks: list[list[float]] | None
    compared: bool


def coloured(labels: tuple[str, ...]) -> list[tuple[str, str]]:
    """The classes in the model's order, each with its colour."""
    colours = palette.class_colours(labels)
    return [(label, colours[label]) for label in labels]


def answer_colour(face: FacePrediction) -> str:
    """The colour of a face's answer; grey where there is none."""
    return palette.answer_colour(face.labels, wording.answer_word(face))


def right(face: FacePrediction) -> int | None:
    """How many of 100 such answers are right: 0 of a face that cannot be read, None where nothing was measured."""
    return 0 if face.is_answerable is False else right_in_100(face)


def column(face: FacePrediction, part: str) -> Column:
    """One of `DISTRIBUTIONS`."""
    values: np.ndarray = getattr(face, part)
    return Column(wording.PART_NAMES[part], values.tolist(), int(values.argmax()), wording.PART_MEANINGS[part])


def crop(face: FacePrediction) -> Crop:
    """The crop with its layers."""
    return Crop(
        lossless_uri(face.crop),
        *face.crop.size,
        _attention(face),
        None if face.landmarks is None else (100 * face.landmarks).tolist(),
        face.attention_difference is not None,
    )


def _attention(face: FacePrediction) -> str | None:
    if face.attention_difference is not None:
        return difference_uri(face.attention_difference)
    return None if face.attention_map is None else attention_uri(face.attention_map)
