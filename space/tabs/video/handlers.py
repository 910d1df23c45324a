"""A video, followed to its end with reports on the way: who was seen when, and an annotated copy."""

import contextlib
import math
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gradio.utils import get_upload_folder

from grefel_hf import FacialExpressionPredictor
from grefel_hf.results import FacePrediction
from grefel_hf.spreadsheets import csv_text
from grefel_hf.video.analysis import VideoFrame, analyse_video, timeline_columns, timeline_rows
from grefel_hf.video.decoder import VideoError
from grefel_hf.video.reader import VideoReader
from grefel_hf.video.writer import write_annotated

from ... import figures, limits
from ... import sentences as wording
from ...data_uris import jpeg_uri
from ...hardware import WorkTime, in_turns, on_gpu
from ...uploads import refuse, require_room, uploaded_file

ANALYSED_A_SECOND = 5
SMOOTHING = 0.5  # seconds
MAX_SMOOTHING = 5.0
SECONDS_BETWEEN_REPORTS = 0.5
PERSON_SIDE = 128
# Whoever was seen for less time (seconds), and less than half of the video, is likely no person, or tells nothing.
LEAST_SECONDS = 0.5


@dataclass
class Person:
    """When someone was seen, distributions (N,) and smoothed ones, `figures.right`, and the best face as data URI."""

    times: list[float] = field(default_factory=list)
    distributions: list[np.ndarray] = field(default_factory=list)
    smoothed: list[np.ndarray] = field(default_factory=list)
    picture: str = ""
    quality: float = 0.0  # of that face, see `picture_quality`
    answerable: bool = False  # whether any of the faces can be read
    rights: list[int | None] = field(default_factory=list)


@dataclass
class Analysis:
    """
    What is known of a video so far.

    done, total: frames; total is None where the file does not say.
    end, length: seconds, of the last frame and of all, None as for `total`.
    clip: path of the annotated copy, once it is whole.
    problem: why not everything could be read.
    cut, spent: whether there is more of it than the page analyses, and whether its time for work was over.
    """

    total: int | None
    done: int = 0
    end: float = 0.0
    length: float | None = None
    persons: dict[int, Person] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    clip: str | None = None
    problem: str | None = None
    cut: bool = False
    spent: bool = False
    labels: tuple[str, ...] = ()

    def shown(self) -> dict[int, Person]:
        """The persons that are worth a look: seen for a while, with a face that can be read."""
        least = min(LEAST_SECONDS, self.end / 2)
        return {
            number: person
            for number, person in self.persons.items()
            if person.answerable and person.times[-1] - person.times[0] >= least
        }

    def most_at_once(self) -> int:
        """How many of these were seen in one frame, at most: so many different people there are."""
        return max(Counter(time for person in self.shown().values() for time in person.times).values(), default=0)

    def csv(self) -> str:
        """One row per analysed frame and person; see `grefel_hf.video.analysis.timeline_rows`."""
        return csv_text(pd.DataFrame(self.rows, columns=timeline_columns(self.labels)))


class VideoHandlers:
    """The functions behind the tab and its endpoint. They keep nothing but the annotated copy, which is swept away."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predictor = predictor
        self._run = on_gpu(self._analyse)

    def video(
        self, video: dict[str, Any], smoothing: float = SMOOTHING
    ) -> tuple[list[dict[str, Any]], str, str | None]:
        """
        Follow the people in a video and recognise their facial expressions over time.

        Args:
            video: a video file (MP4, WebM, MOV, ...), of which the first minute is analysed.
            smoothing: seconds over which the distributions are smoothed, 0 for none.

        Returns:
            Persons: a number for each person, when they were seen first and last (seconds), their mean distribution.
                People are told apart by their place: whoever left and came back may be counted anew. Whoever was seen
                for less than half a second is left out.
            CSV: one row per analysed frame and person with all distributions and confidences.
            Annotated video: a copy with boxes and labels drawn in.
        """
        *_, analysis = self.analyse(video, smoothing)
        persons = [
            {
                "person": number,
                "from": person.times[0],
                "to": person.times[-1],
                "distribution": dict(zip(self._predictor.labels, np.mean(person.distributions, axis=0).tolist())),
            }
            for number, person in analysis.shown().items()
        ]
        return persons, analysis.csv(), analysis.clip

    def analyse(self, video: dict[str, Any] | None, smoothing: float) -> Iterator[Analysis]:
        """
        The video as it is worked through, a report now and then; the last one is whole.

        Raises:
            gr.Error: there is no video, or it cannot be read.
        """
        path = uploaded_file(video, "video")
        if not isinstance(smoothing, int | float) or not 0 <= smoothing <= MAX_SMOOTHING:
            raise refuse(f"Smoothing goes from 0 to {MAX_SMOOTHING:g} seconds.", "Smoothing")
        try:
            yield from in_turns(self._run(path, float(smoothing)))
        except VideoError as error:
            raise refuse(wording.photo_error(str(error), path), "This video cannot be read") from None

    def _analyse(self, path: str, smoothing: float) -> Iterator[Analysis]:
        work = WorkTime(limits.MAX_VIDEO_WORK_SECONDS)
        most_pixels = limits.MAX_VIDEO_SIDE**2
        with VideoReader(path, most_pixels, limits.VIDEO_FRAME_SECONDS) as video, _new_clip() as clip:
            if max(video.size) > limits.MAX_VIDEO_SIDE:
                raise VideoError(
                    f"{path} is too large, the limit is {limits.MAX_VIDEO_SIDE} pixels a side: scale it down"
                )
            most = round(limits.MAX_VIDEO_SECONDS * video.rate)
            expected = video.expected_frames
            total = expected and min(expected, most)
            analysis = Analysis(
                total,
                length=total and total / video.rate,
                cut=expected is not None and expected > 1.02 * most,
            )
            frames = analyse_video(
                video,
                self._predictor,
                interval=1 / ANALYSED_A_SECOND,
                smoothing=smoothing,
                every_frame=True,
                keep_crops=True,
                max_frames=limits.MAX_ANALYSED_FRAMES,
                max_seconds=limits.MAX_VIDEO_SECONDS,
                should_stop=work.is_over,
            )
            reported = 0.0
            for frame in write_annotated(frames, clip, video):
                add_frame(analysis, frame)
                if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                    with work.paused():
                        yield analysis
                    reported = time.monotonic()
            analysis.spent = work.is_over()
            if clip.is_file():
                analysis.clip = str(clip)
            if video.problem:
                analysis.problem = wording.photo_error(video.problem, path)
            yield analysis


def add_frame(analysis: Analysis, frame: VideoFrame) -> None:
    """One more frame of the video, in order."""
    analysis.done, analysis.end, analysis.labels = frame.index + 1, frame.time, frame.labels
    if not frame.analysed:
        return
    analysis.rows += timeline_rows(frame)
    for tracked in frame.faces:
        person = analysis.persons.setdefault(tracked.person, Person())
        if (quality := picture_quality(tracked.face)) > person.quality:
            person.quality, person.picture = quality, jpeg_uri(tracked.face.crop, PERSON_SIDE)
        person.answerable |= tracked.face.is_answerable is not False
        person.times.append(frame.time)
        person.rights.append(figures.right(tracked.face))
        person.distributions.append(tracked.face.corrected)
        person.smoothed.append(tracked.smoothed)


def picture_quality(face: FacePrediction) -> float:
    """How well a face stands for a person: its size in pixels, less where it can hardly be read."""
    left, top, right, bottom = face.box
    return math.sqrt((right - left) * (bottom - top)) * (1.0 if face.answerability is None else face.answerability)


@contextlib.contextmanager
def _new_clip() -> Iterator[Path]:
    """A file in a new folder among the uploads, which nobody can guess; the folder goes if no clip came to be."""
    require_room(limits.MAX_UPLOAD_MB)
    folder = Path(get_upload_folder()) / secrets.token_hex(20)
    folder.mkdir(parents=True)
    try:
        yield folder / "annotated.mp4"
    finally:
        with contextlib.suppress(OSError):  # not empty: the clip is whole
            folder.rmdir()
