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

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..predictor import FacialExpressionPredictor, PhotoFailure
from ..reliability import CANNOT_TELL
from ..results import FacePrediction, PhotoPrediction, face_columns, face_row
from .decoder import VideoError
from .following import FollowingDetector
from .motion import grey_thumbnail, picture_shift
from .reader import Frame, VideoReader
from .tracking import Tracker, colour_histogram, is_cut, smooth

if TYPE_CHECKING:
    import pandas as pd

# Analysed frames in memory at once, and pixels of all frames that are.
FRAMES_IN_FLIGHT = 16
PIXELS_IN_FLIGHT = 128_000_000
# Between analysed frames no more than so many a second are given: a copy for eyes needs no more.
MOST_A_SECOND = 65.0


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
        """The smoothed distribution's top class; "cannot tell" where this frame's face got no answer."""
        return self.face.labels[int(self.smoothed.argmax())] if self.face.is_answered else CANNOT_TELL

    @property
    def score(self) -> float:
        """Its probability."""
        return float(self.smoothed.max())


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """
    index: number of the frame in the video, from 0.
    time: seconds since its first frame.
    labels: class names, in the model's order.
    faces: from left to right.
    analysed: False for a frame between analysed ones, whose faces are those of the last analysed frame, moved along the
        way to the next.
    """

    index: int
    time: float
    labels: tuple[str, ...]
    faces: list[TrackedFace]
    analysed: bool
    picture: Callable[[], Image.Image]  # the upright RGB picture


@dataclass(frozen=True, eq=False)
class _Glance:
    """What is known of a frame before its faces are: its colours and its greys, both small."""

    colours: np.ndarray
    grey: np.ndarray


def analyse_video(
    video: VideoReader,
    predictor: FacialExpressionPredictor,
    *,
    stride: int = 1,
    interval: float = 0.0,
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
        stride: every so many frames one is analysed,
        interval: and not before so many seconds have passed, by the frames' own times: rates in headers lie.
        smoothing: time constant in seconds of the exponential mean of each person's corrected distribution; 0 for none.
        every_frame: give the frames between analysed ones, too, up to `MOST_A_SECOND`. They wait in memory, so one more
            is analysed where they would have more than `PIXELS_IN_FLIGHT`.
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
    waiting: deque[tuple[Frame, _Glance | None]] = deque()
    wanted = _wanted(video, stride, interval, every_frame, max_frames, max_seconds, should_stop)
    first = next(wanted, None)
    if first is None:
        return
    frames_a_look = max(stride, round(interval * min(video.rate, MOST_A_SECOND))) if every_frame else 1
    in_flight = max(1, min(FRAMES_IN_FLIGHT, PIXELS_IN_FLIGHT // first[0].pixels) // frames_a_look)

    can_follow = hasattr(predictor.detector, "follow")
    following = FollowingDetector(predictor.detector) if can_follow else None

    def pictures() -> Iterator[Image.Image]:
        for frame, is_due in chain((first,), wanted):
            if is_due:
                picture = frame.image()
                waiting.append((frame, _Glance(colour_histogram(picture), grey_thumbnail(picture))))
                if following:
                    following.expect(frame.time, waiting[-1][1].colours)
                yield picture
            else:
                frame.hold()
                waiting.append((frame, None))

    tracker, glance, previous = Tracker(), None, None
    for result in predictor.stream(pictures(), keep_crops=keep_crops, in_flight=in_flight, detector=following):
        if isinstance(result, PhotoFailure):
            raise VideoError(f"{video.path}: {result.error}")
        between = []
        while waiting[0][1] is None:
            between.append(waiting.popleft()[0])
        frame, glance, before = *waiting.popleft(), glance
        shift = None if before is None else picture_shift(before.grey, glance.grey)
        if before is not None and shift is None and is_cut(before.colours, glance.colours):
            tracker.end_all()
        faces = _tracked(tracker, frame.time, result, shift or (0.0, 0.0), smoothing)
        current = VideoFrame(frame.index, frame.time, result.labels, faces, True, frame.image)
        yield from (_between(frame, previous, current) for frame in between)
        yield current
        previous = current
    yield from (_between(frame, previous, previous) for frame, _ in waiting)


def _wanted(
    video: VideoReader,
    stride: int,
    interval: float,
    every_frame: bool,
    max_frames: int | None,
    max_seconds: float | None,
    should_stop: Callable[[], bool],
) -> Iterator[tuple[Frame, bool]]:
    """The frames that `analyse_video` gives, and whether each is to be analysed."""
    looks, last_index, last_look, last_time, held = 0, 0, -math.inf, -math.inf, 0
    for frame in video.frames():
        if should_stop() or (max_seconds is not None and frame.time >= max_seconds):
            return
        # Times are rounded to the container's clock: half a frame is no delay.
        is_due = not looks or (frame.index - last_index >= stride and frame.time - last_look >= interval * 0.98)
        if not is_due and not (every_frame and frame.time - last_time >= 1 / MOST_A_SECOND):
            continue
        if is_due or held + frame.pixels > PIXELS_IN_FLIGHT:
            if looks == max_frames:
                return
            looks, last_index, last_look, held, is_due = looks + 1, frame.index, frame.time, 0, True
        last_time, held = frame.time, held + frame.pixels
        yield frame, is_due


def _tracked(
    tracker: Tracker, time: float, found: PhotoPrediction, shift: tuple[float, float], smoothing: float
) -> list[TrackedFace]:
    """`shift`: of the picture since the last analysed frame, as fractions of its sides."""
    pixels = (shift[0] * found.width, shift[1] * found.height)
    tracks = tracker.update(time, [face.box for face in found.faces], pixels, (found.width, found.height))
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
    return VideoFrame(frame.index, frame.time, before.labels, faces, False, frame.image)


def timelines(frames: Iterable[VideoFrame]) -> "pd.DataFrame":
    """One row per analysed frame and person, columns as in `timeline_columns`, also where nobody was seen."""
    import pandas as pd

    rows, labels = [], ()
    for frame in frames:
        rows += timeline_rows(frame)
        labels = frame.labels
    return pd.DataFrame(rows, columns=timeline_columns(labels))


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
