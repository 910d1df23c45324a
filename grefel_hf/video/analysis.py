"""
The faces of a video over time.

    with VideoReader("clip.mp4") as video:
        for frame in analyse_video(video, predictor, stride=3, smoothing=0.5):
            for face in frame.faces:
                print(frame.time, face.person, face.label, face.score)

For a copy with boxes, in the same pass:

        frames = analyse_video(video, predictor, stride=3, every_frame=True)
        table = timelines(write_annotated(frames, "annotated.mp4", video))
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ..predictor import FacialExpressionPredictor, PhotoFailure
from ..results import FacePrediction, PhotoPrediction, face_columns, face_row
from .reader import Frame, VideoError, VideoReader
from .tracking import Tracker, colour_histogram, is_cut, smooth

# Analysed frames in memory at once.
FRAMES_IN_FLIGHT = 16


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """
    person: number from 1, in the order of appearance.
    face: the prediction of this frame alone.
    smoothed: the corrected distribution (N,), smoothed over time; that of `face` without smoothing.
    """

    person: int
    face: FacePrediction
    smoothed: np.ndarray

    @property
    def label(self) -> str:
        """The smoothed distribution's top class."""
        return self.face.labels[int(self.smoothed.argmax())]

    @property
    def score(self) -> float:
        """Its probability."""
        return float(self.smoothed.max())


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """
    index: number of the frame in the video, from 0.
    time: seconds since its first frame.
    faces: from left to right.
    analysed: False for a frame between analysed ones, whose faces are those of the last analysed frame, moved along the
        way to the next.
    """

    index: int
    time: float
    faces: list[TrackedFace]
    analysed: bool
    picture: Callable[[], Image.Image]  # the upright RGB picture


def analyse_video(
    video: VideoReader,
    predictor: FacialExpressionPredictor,
    *,
    stride: int = 1,
    smoothing: float = 0.0,
    every_frame: bool = False,
    keep_crops: bool = False,
    max_frames: int | None = None,
    max_seconds: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[VideoFrame]:
    """
    Find, follow and judge the faces of a video, in constant memory.

    Args:
        stride: every so many frames one is analysed.
        smoothing: time constant in seconds of the exponential mean of each person's corrected distribution; 0 for none.
        every_frame: give the frames between analysed ones, too. As many frames as the stride are then in memory.
        keep_crops: keep each face's crop.
        max_frames: analyse so many frames at most.
        max_seconds: end before this time of the video.
        should_stop: asked before every frame; what was read until then comes out.

    Yields:
        Analysed frames (or all) in order.

    Raises:
        VideoError: there is no frame that can be read.
    """
    if stride < 1 or smoothing < 0:
        raise ValueError(f"stride must be at least 1 and smoothing at least 0, got {stride} and {smoothing}")
    waiting: deque[tuple[Frame, np.ndarray | None]] = deque()

    def pictures() -> Iterator[Image.Image]:
        for frame in video.frames():
            late = max_seconds is not None and frame.time >= max_seconds
            if late or should_stop() or (max_frames is not None and frame.index >= max_frames * stride):
                return
            if frame.index % stride == 0:
                picture = frame.image()
                waiting.append((frame, colour_histogram(picture)))
                yield picture
            elif every_frame:
                waiting.append((frame, None))

    tracker, colours, previous = Tracker(), None, None
    in_flight = max(1, FRAMES_IN_FLIGHT // stride) if every_frame else FRAMES_IN_FLIGHT
    for result in predictor.stream(pictures(), keep_crops=keep_crops, in_flight=in_flight):
        if isinstance(result, PhotoFailure):
            raise VideoError(f"{video.path}: {result.error}")
        between = []
        while waiting[0][1] is None:
            between.append(waiting.popleft()[0])
        frame, histogram = waiting.popleft()
        if colours is not None and is_cut(colours, histogram):
            tracker.end_all()
        colours = histogram
        faces = _tracked(tracker, frame.time, result, smoothing)
        current = VideoFrame(frame.index, frame.time, faces, True, frame.image)
        yield from (_between(frame, previous, current) for frame in between)
        yield current
        previous = current
    yield from (_between(frame, previous, previous) for frame, _ in waiting)


def _tracked(tracker: Tracker, time: float, found: PhotoPrediction, smoothing: float) -> list[TrackedFace]:
    tracks = tracker.update(time, [face.box for face in found.faces])
    return [
        TrackedFace(track.person, face, smooth(track, time, face.corrected, smoothing))
        for track, face in zip(tracks, found.faces)
    ]


def _between(frame: Frame, before: VideoFrame, after: VideoFrame) -> VideoFrame:
    """A frame that was not analysed, from its neighbours."""
    share = (frame.time - before.time) / (after.time - before.time) if after is not before else 0.0
    boxes = {tracked.person: tracked.face.box for tracked in after.faces}
    faces = []
    for tracked in before.faces:
        start = tracked.face.box
        end = boxes.get(tracked.person, start)
        box = tuple(a + share * (b - a) for a, b in zip(start, end))
        faces.append(replace(tracked, face=replace(tracked.face, box=box)))
    return VideoFrame(frame.index, frame.time, faces, False, frame.image)


def timelines(frames: Iterable[VideoFrame]) -> pd.DataFrame:
    """One row per analysed frame and person; see `timeline_rows`."""
    return pd.DataFrame([row for frame in frames for row in timeline_rows(frame)])


def timeline_rows(frame: VideoFrame) -> list[dict[str, Any]]:
    """
    Rows of one frame, none for one that was not analysed: frame, time (seconds), person, box and detector_score, label
    and score after smoothing, `smoothed_happiness`, ..., then the frame's own figures as in `face_row`.
    """
    if not frame.analysed:
        return []
    return [
        {"frame": frame.index, "time": frame.time, "person": tracked.person}
        | face_row(tracked.face)
        | {"label": tracked.label, "score": tracked.score}
        | {f"smoothed_{label}": float(p) for label, p in zip(tracked.face.labels, tracked.smoothed)}
        for tracked in frame.faces
    ]


def timeline_columns(labels: tuple[str, ...]) -> list[str]:
    """The columns of `timeline_rows`."""
    return ["frame", "time", "person", *face_columns(labels), *(f"smoothed_{label}" for label in labels)]
