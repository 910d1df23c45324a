"""The live view: one frame of a camera after the other, the figures of the largest face, and the last seconds."""

import base64
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.photos import PhotoError, load_photo
from grefel_hf.palette import class_colours
from grefel_hf.results import FacePrediction, PhotoPrediction

from ... import figures
from ... import sentences as wording
from ...hardware import on_gpu
from ...limits import LIVE_SIDE
from ...uploads import refuse
from ..video.timeline import timeline_figure

SECONDS_SHOWN = 20.0
DATA_URI = "data:image/"
EMPTY = """
<section class="gf-empty gf-live-empty">
  <h2>Expressions as they come and go</h2>
  <p>Switch the camera on, then press <b>Record</b>. Frames are analysed as fast as this machine can; the others are
  left out, and none is kept.</p>
</section>
"""
NO_FACE = '<p class="gf-live-note" role="status">No face in the picture.</p>'


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
        prediction = self._predict(decode_frame(payload))
        now = time.monotonic()
        face = largest_face(prediction)
        kept = [moment for moment in moments if now - moment.time <= SECONDS_SHOWN]
        kept.append(Moment(now, None if face is None else face.corrected))
        return self._view(face, len(prediction.faces), kept), kept

    def _view(self, face: FacePrediction | None, count: int, moments: list[Moment]) -> str:
        head = NO_FACE if face is None else live_face(face, count)
        now = moments[-1].time
        seen = [moment for moment in moments if moment.distribution is not None]
        line = timeline_figure(
            self._labels,
            [moment.time - now for moment in seen],
            [moment.distribution for moment in seen],
            -SECONDS_SHOWN,
            0.0,
        )
        return (
            f'<div class="gf-face gf-live">{head}<section class="gf-section"><h3>The last seconds</h3>{line}'
            f'{figures.legend(self._labels)}<p class="gf-rate">{_rate(moments)}</p></section></div>'
        )


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


def live_face(face: FacePrediction, count: int) -> str:
    """The figures of one face in compact form. The warning's place is always there: nothing may jump."""
    which = "The only face" if count == 1 else f"The largest of {count} faces"
    confidence = face.confidences["corrected"]
    warning = wording.caution(face)
    return (
        f'<header class="gf-head">{figures.crop_figure(face, 1, switches=False)}<div class="gf-answer-text">'
        f'<p class="gf-kicker">{which}</p>'
        f"<h2>{figures.swatch(class_colours(face.labels)[face.label])}{escape(face.label)} "
        f'<b>{wording.percent(face.score)}</b></h2><p class="gf-sure">{wording.confidence_words(confidence)}, '
        f'confidence {confidence:.2f}</p><p class="gf-caution"{"" if warning else " aria-hidden=true"}>'
        f"{escape(warning or '')}</p></div></header>"
        f'<section class="gf-section"><div class="gf-two"><div><h4>Corrected</h4>'
        f"{figures.distribution_bars(face, 'corrected', size='large')}</div><div><h4>Primary</h4>"
        f"{figures.distribution_bars(face, 'primary', size='small')}</div></div></section>"
    )


def _rate(moments: list[Moment]) -> str:
    """Analysed frames a second over what is remembered."""
    if len(moments) < 2:
        return ""
    rate = (len(moments) - 1) / max(moments[-1].time - moments[0].time, 1e-6)
    return f"{rate:.1f} frames a second are analysed; the others are left out."
