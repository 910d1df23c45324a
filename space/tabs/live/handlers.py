"""One frame of a camera after the other; of each visitor the last seconds are remembered."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.results import FacePrediction
from grefel_hf.video.tracking import Tracker

from ...figures import right
from ...frames import decode_frame
from ...hardware import TURN, on_gpu
from .seats import Seats
from .view import empty_view, ended_view, frame_view, problem_view, waiting_view

SECONDS_SHOWN = 20.0


@dataclass(frozen=True)
class Moment:
    """One analysed frame: when (seconds of a clock), each person's distribution (N,) and `figures.right` by number."""

    time: float
    answers: dict[int, tuple[np.ndarray, int | None]]


@dataclass
class Memory:
    """Of one visitor: who is who, and the last seconds."""

    tracker: Tracker = field(default_factory=Tracker)
    moments: list[Moment] = field(default_factory=list)


class LiveHandlers:
    """One call per frame. What it remembers of a visitor are the last seconds' distributions, in their session."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predict = on_gpu(predictor.__call__)
        self._labels = predictor.labels
        self._seats = Seats()

    def answer(self, visitor: str, data: dict[str, Any], memory: Memory | None) -> tuple[str, Memory | None]:
        """
        Answer what a visitor's page asks.

        Args:
            visitor: whose turn it may be.
            data: {"stop": true}; or {"frame": a picture as data URI}, without which the place in the queue is told.
            memory: of this visitor so far.

        Returns:
            The view, and what is remembered now.
        """
        if data.get("stop"):
            return empty_view() if self.leave(visitor) else "", None
        place = self._seats.ask(visitor)
        if place is None:
            return ended_view(), None
        if place:
            return waiting_view(place), None
        if data.get("frame") is None:
            return waiting_view(0), memory
        try:
            image = decode_frame(data["frame"])
        except ValueError as error:
            return problem_view(str(error)), memory
        view, memory = self._frame(image, memory or Memory())
        # Of whoever stopped while their frame was under way nothing is remembered.
        return view, memory if self._seats.heard(visitor) else None

    def leave(self, visitor: str) -> bool:
        """Who stops, or closes the page, gives their seat back. True where they were still waiting for one."""
        return self._seats.leave(visitor)

    def _frame(self, image: Image.Image, memory: Memory) -> tuple[str, Memory]:
        with TURN:
            prediction = self._predict(image)
        now = time.monotonic()
        tracks = memory.tracker.update(now, [face.box for face in prediction.faces])
        faces = {track.person: face for track, face in zip(tracks, prediction.faces)}
        for track in tracks:
            track.time = now
        memory.moments = [moment for moment in memory.moments if now - moment.time <= SECONDS_SHOWN]
        memory.moments.append(Moment(now, {person: (face.corrected, right(face)) for person, face in faces.items()}))
        seen: dict[int, tuple[list[float], list[np.ndarray], list[int | None]]] = {}
        for moment in memory.moments:
            for person, answer in moment.answers.items():
                for values, value in zip(seen.setdefault(person, ([], [], [])), (moment.time - now, *answer)):
                    values.append(value)
        view = frame_view(self._labels, image.size, by_size(faces), seen, -SECONDS_SHOWN, _rate(memory.moments))
        return view, memory


def by_size(faces: dict[int, FacePrediction]) -> dict[int, FacePrediction]:
    """Faces by person, the largest first."""

    def area(face: FacePrediction) -> float:
        left, top, right, bottom = face.box
        return (right - left) * (bottom - top)

    return dict(sorted(faces.items(), key=lambda item: area(item[1]), reverse=True))


def _rate(moments: list[Moment]) -> float | None:
    """Analysed frames a second over what is remembered; None where that is one frame."""
    if len(moments) < 2:
        return None
    return (len(moments) - 1) / max(moments[-1].time - moments[0].time, 1e-6)
