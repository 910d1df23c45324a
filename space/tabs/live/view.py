"""What is seen of one frame: every face's answer, the largest one's figures, the last seconds; for templates/live."""

import itertools
import json

import numpy as np

from grefel_hf.results import FacePrediction, right_in_100

from ... import figures
from ... import sentences as wording
from ...data_uris import jpeg_uri
from ...rendering import render
from ...timeline import timeline

PERSONS_SHOWN = 4
CROP_SIDE = 240
_ANSWERS = itertools.count()  # no two answers are alike: the browser notices each


def frame_view(
    labels: tuple[str, ...],
    size: tuple[int, int],
    faces: dict[int, FacePrediction],
    seen: dict[int, tuple[list[float], list[np.ndarray], list[int | None]]],
    start: float,
    rate: float | None,
) -> str:
    """
    Args:
        size: width and height of the frame, in pixels.
        faces: by number of the person, the largest first.
        seen: of every person of the last seconds the times (up to 0), distributions (N,) and `figures.right`.
        start: of the timelines, in seconds.
        rate: analysed frames a second, None for the first frame.
    """
    longest = sorted(seen, key=lambda person: len(seen[person][0]), reverse=True)[:PERSONS_SHOWN]
    person, face = next(iter(faces.items()), (None, None))
    return render(
        "live/frame",
        answer=next(_ANSWERS),
        boxes=json.dumps([_box(number, other, size) for number, other in faces.items()]),
        face=face,
        person=person,
        count=len(faces),
        lines=[(number, timeline(labels, *seen[number], start, 0.0)) for number in sorted(longest)],
        rate=rate,
        classes=figures.coloured(labels),
        **({} if face is None else _figures(face)),
    )


def empty_view() -> str:
    """Before anything was seen."""
    return render("live/empty")


def waiting_view(place: int) -> str:
    """
    While others are at the camera.

    Args:
        place: in the queue, 0 for a seat that waits for its first frame.
    """
    return render("live/waiting", answer=next(_ANSWERS), place=place)


def ended_view() -> str:
    """After the time that one visitor has."""
    return render("live/ended", answer=next(_ANSWERS))


def problem_view(problem: str) -> str:
    """Of a frame that cannot be used."""
    return render("live/problem", answer=next(_ANSWERS), problem=problem)


def _box(person: int, face: FacePrediction, size: tuple[int, int]) -> dict:
    """Of a face over the moving picture: its place in per cent of it, its words, its colour, and its figures."""
    left, top, right, bottom = (100 * value / side for value, side in zip(face.box, size * 2))
    return {
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
        "word": wording.answer_word(face),
        "person": person,
        "colour": figures.answer_colour(face),
        "right": right_in_100(face),
        "corrected": face.distribution("corrected"),
    }


def _figures(face: FacePrediction) -> dict:
    return {
        "picture": jpeg_uri(face.crop, CROP_SIDE),
        "colour": figures.answer_colour(face),
        "word": wording.answer_word(face),
        "right": right_in_100(face),
        "certainty": wording.certainty_line(face),
        "warning": wording.caution(face),
        "corrected": figures.column(face, "corrected"),
    }
