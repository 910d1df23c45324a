"""What is seen of one frame: the largest face's figures and the last seconds, as data for templates/live."""

from grefel_hf.results import FacePrediction

from ... import figures
from ... import sentences as wording
from ...rendering import render
from ...timeline import Timeline


def frame_view(
    labels: tuple[str, ...], face: FacePrediction | None, count: int, line: Timeline, rate: float | None
) -> str:
    """
    Args:
        face: the largest of `count` faces.
        line: the last seconds.
        rate: analysed frames a second, None for the first frame.
    """
    values = {} if face is None else _figures(face)
    return render(
        "live/frame", face=face, count=count, line=line, rate=rate, classes=figures.coloured(labels), **values
    )


def _figures(face: FacePrediction) -> dict:
    return {
        "crop": figures.crop(face),
        "colour": figures.answer_colour(face),
        "warning": wording.caution(face),
        "corrected": figures.column(face, "corrected"),
        "primary": figures.column(face, "primary"),
    }
