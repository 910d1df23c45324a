"""The command line on videos: timelines as CSV, an annotated copy, or a table of the persons."""

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
from rich.text import Text

from ..files import check_file, whole_file
from ..plurals import counted
from ..predictor import FacialExpressionPredictor
from ..reliability import CANNOT_TELL
from ..spreadsheets import as_cell
from ..video.analysis import VideoFrame, analyse_video, timeline_columns, timeline_rows
from ..video.decoder import VideoError
from ..video.reader import VideoReader
from ..video.writer import check_container, write_annotated
from .photos import INTERRUPTED
from .terminal import one_line, say, visible


def run_videos(
    args: argparse.Namespace,
    predictor: FacialExpressionPredictor,
    files: list[Path],
    stop: threading.Event,
    messages: Console,
) -> int:
    """
    Analyse one video after the other and write what the flags ask for; gives the exit status.

    Raises:
        VideoError: the only video cannot be read, or its copy not be written.
        OSError: the CSV cannot be written.
    """
    copies = _copies(args.annotated, files)
    problems = 0
    with open_whole(args.csv) as table:
        writer = None
        if table:
            columns = ["source", *timeline_columns(predictor.labels)]
            writer = csv.DictWriter(table, columns, lineterminator="\n")
            writer.writeheader()
        for file in files:
            if stop.is_set():
                break
            try:
                problems += _run_video(args, predictor, file, copies.get(file), writer, stop, messages)
            except VideoError as error:
                if len(files) == 1:
                    raise
                say(messages, f"not read: {one_line(error)}", "red")
                problems += 1
    if stop.is_set():
        say(messages, "Stopped early: what was done is written.")
        return INTERRUPTED
    return int(problems > 0)


def _copies(annotated: Path | None, files: list[Path]) -> dict[Path, Path]:
    """Where the copy of each video goes: of several into the folder that `annotated` names. Raises VideoError."""
    if annotated is None:
        return {}
    if len(files) == 1 and not annotated.is_dir():
        check_container(annotated)
        check_file(annotated)
        return {files[0]: annotated}
    if annotated.exists() and not annotated.is_dir() or annotated.suffix:
        raise VideoError(f"{annotated} would hold the copies of {len(files)} videos: name a folder")
    copies = {file: annotated / f"{file.stem}.annotated.mp4" for file in files}
    if len(set(copies.values())) < len(files):
        raise VideoError("several videos have one name: annotate them in separate runs")
    annotated.mkdir(parents=True, exist_ok=True)
    return copies


def _run_video(
    args: argparse.Namespace,
    predictor: FacialExpressionPredictor,
    file: Path,
    copy: Path | None,
    writer: csv.DictWriter | None,
    stop: threading.Event,
    messages: Console,
) -> bool:
    """One video; whether a part of it could not be read."""
    if copy and copy.exists() and not args.overwrite:
        raise VideoError(f"{copy} exists: choose another file, or replace it with --overwrite.")
    summary = Summary(predictor.labels)
    with VideoReader(file) as video:
        frames = analyse_video(
            video,
            predictor,
            stride=args.stride,
            smoothing=args.smoothing,
            every_frame=copy is not None,
            should_stop=stop.is_set,
        )
        if copy:
            frames = write_annotated(frames, copy, video)
        for frame in with_progress(frames, video, messages):
            summary.add(frame)
            if writer:
                rows = ({"source": visible(file)} | row for row in timeline_rows(frame))
                writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    if not (args.csv or args.annotated):
        summary.print_table(Console())
    say(messages, f"{file}: {summary.found()} in {counted(summary.frames, 'analysed frame')}, {summary.end:.1f} s")
    return video.problem is not None


class Summary:
    """For each person when they were seen, and their mean distribution over the frames that were answered."""

    def __init__(self, labels: tuple[str, ...]):
        self.labels = labels
        self.frames, self.end, self.at_once = 0, 0.0, 0
        self.seconds: dict[int, list[float]] = {}  # first and last
        self._sums: dict[int, np.ndarray] = {}
        self._counts: dict[int, int] = {}

    def add(self, frame: VideoFrame):
        self.end = frame.time
        if not frame.analysed:
            return
        self.frames += 1
        self.at_once = max(self.at_once, len(frame.faces))
        for face in frame.faces:
            self.seconds.setdefault(face.person, [frame.time, frame.time])[1] = frame.time
            if not face.face.is_answered:
                continue
            self._sums[face.person] = self._sums.get(face.person, 0.0) + face.face.corrected
            self._counts[face.person] = self._counts.get(face.person, 0) + 1

    def found(self) -> str:
        """How many persons; where some may be one person who came back, how many tracks, and the fewest persons."""
        tracks = len(self.seconds)
        if tracks <= self.at_once:
            return counted(tracks, "person")
        return f"{tracks} tracks, of at least {counted(self.at_once, 'person')},"

    def print_table(self, console: Console):
        """One line per person: from when to when, and the three expressions that were strongest on average."""
        table = Table(box=None, pad_edge=False)
        for column in ("person", "from", "to", "frames", "expressions, mean"):
            table.add_column(column, justify="right" if column != "expressions, mean" else "left")
        for *cells, expressions in self.table_rows():
            table.add_row(*cells, Text(visible(expressions)))
        console.print(table)

    def table_rows(self) -> Iterator[tuple[str, ...]]:
        """Each person's number, first and last second, number of answered frames, and expressions."""
        for person, (first, last) in self.seconds.items():
            expressions, count = CANNOT_TELL, self._counts.get(person, 0)
            if count:
                mean = self._sums[person] / count
                expressions = ", ".join(f"{self.labels[i]} {mean[i]:.0%}" for i in mean.argsort()[::-1][:3])
            yield str(person), f"{first:.1f} s", f"{last:.1f} s", str(count), expressions


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
