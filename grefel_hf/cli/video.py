"""The command line on a video: timelines as CSV, an annotated copy, or a table of the persons."""

import argparse
import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..files import whole_file
from ..predictor import FacialExpressionPredictor
from ..video.analysis import VideoFrame, analyse_video, timeline_columns, timeline_rows
from ..video.reader import VideoReader
from ..video.writer import check_container, write_annotated
from .photos import INTERRUPTED, counted


def run_video(
    args: argparse.Namespace, predictor: FacialExpressionPredictor, stop: threading.Event, messages: Console
) -> int:
    """
    Analyse and write what the flags ask for; gives the exit status.

    Raises:
        VideoError: the video cannot be read, or the copy not be written.
        OSError: the CSV cannot be written.
    """
    if args.annotated:
        check_container(args.annotated)
    summary = Summary(predictor.labels)
    with VideoReader(args.video) as video, open_whole(args.csv) as table:
        frames = analyse_video(
            video,
            predictor,
            stride=args.stride,
            smoothing=args.smoothing,
            every_frame=bool(args.annotated),
            should_stop=stop.is_set,
        )
        if args.annotated:
            frames = write_annotated(frames, args.annotated, video)
        if table:
            writer = csv.DictWriter(table, timeline_columns(predictor.labels), lineterminator="\n")
            writer.writeheader()
        for frame in with_progress(frames, video, messages):
            summary.add(frame)
            if table:
                writer.writerows(timeline_rows(frame))
    if not (args.csv or args.annotated):
        summary.print_table(Console())
    what = f"{counted(len(summary.seconds), 'person')} in {counted(summary.frames, 'analysed frame')}"
    messages.print(f"{args.video}: {what}, {summary.end:.1f} s", markup=False, highlight=False)
    if stop.is_set():
        messages.print("Stopped early: what was done is written.")
        return INTERRUPTED
    return int(video.problem is not None)


class Summary:
    """For each person when they were seen, and their mean distribution."""

    def __init__(self, labels: tuple[str, ...]):
        self.labels = labels
        self.frames, self.end = 0, 0.0
        self.seconds: dict[int, list[float]] = {}  # first and last
        self._sums: dict[int, np.ndarray] = {}
        self._counts: dict[int, int] = {}

    def add(self, frame: VideoFrame):
        self.end = frame.time
        if not frame.analysed:
            return
        self.frames += 1
        for face in frame.faces:
            self.seconds.setdefault(face.person, [frame.time, frame.time])[1] = frame.time
            self._sums[face.person] = self._sums.get(face.person, 0.0) + face.face.corrected
            self._counts[face.person] = self._counts.get(face.person, 0) + 1

    def print_table(self, console: Console):
        """One line per person: from when to when, and the three expressions that were strongest on average."""
        table = Table(box=None, pad_edge=False)
        for column in ("person", "from", "to", "frames", "expressions, mean"):
            table.add_column(column, justify="right" if column != "expressions, mean" else "left")
        for person, (first, last) in self.seconds.items():
            mean = self._sums[person] / self._counts[person]
            top = ", ".join(f"{self.labels[i]} {mean[i]:.0%}" for i in mean.argsort()[::-1][:3])
            table.add_row(str(person), f"{first:.1f} s", f"{last:.1f} s", str(self._counts[person]), top)
        console.print(table)


def with_progress(frames: Iterator[VideoFrame], video: VideoReader, messages: Console) -> Iterator[VideoFrame]:
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task("frames", total=video.expected_frames)
        for frame in frames:
            yield frame
            progress.update(task, completed=frame.index + 1)


@contextmanager
def open_whole(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that appears whole when the block ends, and not at all when it raises; None for no path."""
    if path is None:
        yield None
        return
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        yield file
