"""One frame of a camera after the other; of each visitor the last seconds are remembered."""

import base64
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.photos import PhotoError, load_photo
from grefel_hf.results import FacePrediction, PhotoPrediction

from ...hardware import TURN, on_gpu
from ...limits import LIVE_SIDE
from ...timeline import timeline
from ...uploads import refuse
from .view import frame_view

SECONDS_SHOWN = 20.0
DATA_URI = "data:image/"


@dataclass(frozen=True)
class Moment:
    """One analysed frame: when (seconds of a clock), and the largest face's distribution (N,), None without a face."""

    time: float
    distribution: np.ndarray | None


class LiveHandlers:
    """One call per frame. What it remembers of a visitor are the last seconds' distributions, in their session."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predict = on_gpu(predictor.__call__)
        self._labels = predictor.labels

    def frame(self, payload: dict[str, Any] | None, moments: Sequence[Moment]) -> tuple[str, list[Moment]]:
        """
        Analyse one frame.

        Args:
            payload: the image input's value: a frame as data URI.
            moments: those of this visitor so far.

        Returns:
            The view, and the moments of the last seconds with this one.
        """
        with TURN:
            prediction = self._predict(decode_frame(payload))
        now = time.monotonic()
        face = largest_face(prediction)
        kept = [moment for moment in moments if now - moment.time <= SECONDS_SHOWN]
        kept.append(Moment(now, None if face is None else face.corrected))
        return self._view(face, len(prediction.faces), kept), kept

    def _view(self, face: FacePrediction | None, count: int, moments: list[Moment]) -> str:
        now = moments[-1].time
        seen = [moment for moment in moments if moment.distribution is not None]
        line = timeline(
            self._labels,
            [moment.time - now for moment in seen],
            [moment.distribution for moment in seen],
            -SECONDS_SHOWN,
            0.0,
        )
        return frame_view(self._labels, face, count, line, _rate(moments))


def decode_frame(payload: dict[str, Any] | None) -> Image.Image:
    """
    The picture in a data URI.

    Raises:
        gr.Error: it is none, or a large one: live frames are small.
    """
    uri = (payload or {}).get("url")
    if not isinstance(uri, str) or not uri.startswith(DATA_URI):
        raise refuse("A live frame has to be a picture in a data URI.", "No frame")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])), formats=["JPEG", "PNG", "WEBP"])
        if max(image.size) <= 2 * LIVE_SIDE:
            image = load_photo(image)
            image.thumbnail((LIVE_SIDE, LIVE_SIDE))
            return image
    except (PhotoError, ValueError, OSError):
        raise refuse("This frame cannot be read.", "No frame") from None
    raise refuse(f"This frame is too large, the limit is {2 * LIVE_SIDE} pixels a side.", "Frame too large")


def largest_face(prediction: PhotoPrediction) -> FacePrediction | None:
    """The face whose box is the largest; None without faces."""
    return max(
        prediction.faces, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), default=None
    )


def _rate(moments: list[Moment]) -> float | None:
    """Analysed frames a second over what is remembered; None where that is one frame."""
    if len(moments) < 2:
        return None
    return (len(moments) - 1) / max(moments[-1].time - moments[0].time, 1e-6)
