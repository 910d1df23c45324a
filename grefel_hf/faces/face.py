"""What detectors give: faces in a photo, in reading order, each once."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class DetectorUnavailableError(RuntimeError):
    """A detector whose library or weights are missing; the message says how to get them."""


@dataclass(frozen=True)
class Face:
    """
    One face in a photo, in pixels of the upright photo.

    Attributes:
        box: left, top, right, bottom; may reach beyond the photo.
        score: the detector's own certainty in [0, 1], comparable within one detector only.
        eyes: the eye on the left of the upright face, then the one on the right, as (x, y); None if not given.
        detector: name of the detector whose convention `box` follows (how much of the head it spans).
        turn: degrees, clockwise, by which the face stands turned in the photo: 0, 90, 180 or 270.
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None
    detector: str = "yunet"
    turn: int = 0

    @property
    def size(self) -> float:
        """The side of a square as large as the box, in pixels."""
        left, top, right, bottom = self.box
        return math.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0))


def reading_order(faces: Iterable[Face]) -> list[Face]:
    """From left to right by the centre of the box, then from top to bottom."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3], -face.score))


def without_overlaps(faces: Iterable[Face], certainty: Callable[[Face], float] = lambda face: face.score) -> list[Face]:
    """Drop each face that covers, or is covered by, most of a more certain face."""
    kept: list[Face] = []
    for face in sorted(faces, key=certainty, reverse=True):
        if all(overlap(face.box, other.box) < 0.5 for other in kept):
            kept.append(face)
    return kept


def overlap(one: Box, other: Box) -> float:
    """Shared area of two boxes in units of the smaller one, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / min(areas)
