"""Photos that lie on their side or stand on their head without saying so."""

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from .face import Face, Point

# Degrees by which what a photo shows stands turned clockwise, and what turns it back (Pillow counts the other way).
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
TURN_WORDS = {90: "lying to the right", 180: "upside down", 270: "lying to the left"}
LOOK_SIDE = 640  # longer side of the photo, in pixels, when turns are tried on one without a face


def turned_back(image: Image.Image, turn: int) -> Image.Image:
    """What stands turned by `turn` degrees, upright."""
    return image.transpose(TURNS[turn])


def in_photo(face: Face, turn: int, size: tuple[int, int]) -> Face:
    """A face of `turned_back(photo, turn)` in pixels of the photo of this size (width, height)."""
    width, height = size

    def point(x: float, y: float) -> Point:
        return {90: (width - y, x), 180: (width - x, height - y), 270: (y, height - x)}[turn]

    (x, y), (other_x, other_y) = point(*face.box[:2]), point(*face.box[2:])
    box = (min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y))
    eyes = face.eyes and (point(*face.eyes[0]), point(*face.eyes[1]))
    return replace(face, box=box, eyes=eyes, turn=turn)


def likely_turn(image: Image.Image, search: Callable[[Image.Image], list[Face]]) -> int | None:
    """The turn at which a quick search of a photo without upright faces finds most; None if no turn shows any."""
    small = image.copy()
    small.thumbnail((LOOK_SIDE, LOOK_SIDE))
    found = {turn: sum(face.score for face in search(turned_back(small, turn))) for turn in TURNS}
    best = max(found, key=found.__getitem__)
    return best if found[best] > 0 else None
