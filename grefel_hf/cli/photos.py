"""The command line on photos: a table, one JSON array, or a CSV or JSON Lines file that grows and can be continued."""

import argparse
import contextlib
import functools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..checkpoint import BUNDLED_CHECKPOINT
from ..files import write_text
from ..plurals import counted
from ..predictor import FacialExpressionPredictor, PhotoFailure
from ..results import FacePrediction, PhotoPrediction, could_be, right_in_100
from .result_files import CsvFormat, JsonLinesFormat, ResultFile, model_name
from .terminal import end_of, one_line, say

INTERRUPTED = 130  # exit status, as shells have it for Ctrl-C
MEASURED, UNMEASURED = ("right_in_100", "could_be"), ("confidence", "runner-up", "")  # columns of the table
GAP, LEAST_NAME = 2, 12  # cells between the columns of the table, and for the name of a photo


def run_photos(
    args: argparse.Namespace,
    predictor: FacialExpressionPredictor,
    files: list[Path | str],
    stop: threading.Event,
    messages: Console,
) -> int:
    """
    Predict and write what the flags ask for; gives the exit status.

    Raises:
        OSError: results cannot be written.
        ResultFileError: the file for them holds something else.
    """
    predict = functools.partial(_predict, predictor, stop, messages, round(args.max_megapixels * 1e6))
    if args.csv or args.jsonl:
        form = CsvFormat(predictor.labels) if args.csv else JsonLinesFormat()
        model = model_name(str(args.model or BUNDLED_CHECKPOINT), args.answer_only, args.answer_all)
        output = ResultFile(args.csv or args.jsonl, form, predictor.detector.name, model, args.overwrite)
        return _to_growing_file(output, files, predict, stop, messages)
    results = list(predict(files))
    photos = [result for result in results if isinstance(result, PhotoPrediction)]
    if stop.is_set():
        say(messages, f"Stopped after {len(results)} of {counted(len(files), 'photo')}.")
    if args.json and stop.is_set():
        say(messages, f"{args.json} is not written: --jsonl and --csv keep what is done.")
    elif args.json:
        write_text(args.json, json.dumps([photo.to_dict() for photo in photos], indent=2))
    else:
        print_table(photos, Console(), unread=len(results) - len(photos))
    return INTERRUPTED if stop.is_set() else int(len(photos) < len(files))


def _to_growing_file(
    output: ResultFile,
    files: list[Path | str],
    predict: Callable[[list[Path | str]], Iterator[PhotoPrediction | PhotoFailure]],
    stop: threading.Event,
    messages: Console,
) -> int:
    """Predict what the file does not have yet; gives the exit status."""
    try:
        left = [file for file in files if output.record(file) is None]
        if len(left) < len(files):
            done = counted(len(files) - len(left), "photo")
            say(messages, f"{output.path} has {done} already, {len(left)} to go.")
        for result in predict(left):
            output.add(result)
    finally:
        output.close()
    records = [record for file in files if (record := output.record(file))]
    unread = sum(not record.was_read for record in records)
    empty = sum(record.was_read and not record.faces for record in records)
    summary = f"{counted(sum(record.faces for record in records), 'face')} in {counted(len(records), 'photo')}"
    details = f"{empty} without a face, {unread} not read"
    say(messages, f"{output.path}: {summary} ({details})")
    if stop.is_set():
        if rest := len(files) - len(records):
            say(messages, f"Stopped with {counted(rest, 'photo')} to go: the same command goes on from here.")
        return INTERRUPTED
    return int(unread > 0)


def _predict(
    predictor: FacialExpressionPredictor,
    stop: threading.Event,
    messages: Console,
    max_pixels: int,
    files: list[Path | str],
) -> Iterator[PhotoPrediction | PhotoFailure]:
    """Results until `stop` is set; what cannot be read, or not as it is, is reported on `messages`."""
    if len(files) > 1:
        share_cores()
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # A bar on one photo is only noise.
    with Progress(*columns, console=messages, transient=True, disable=len(files) < 2) as progress:
        task = progress.add_task("photos", total=len(files))
        # Files stop coming when the user stops; those under way come out.
        wanted = (file for file in files if not stop.is_set())
        for result in predictor.stream(wanted, keep_crops=False, max_pixels=max_pixels):
            if isinstance(result, PhotoFailure):
                say(messages, f"not read: {one_line(result.error)}", "red")
            else:
                for note in result.notes:
                    say(messages, f"{result.source}: {note}", "dim")
            yield result
            progress.advance(task)


def share_cores():
    """
    Photos are searched on all cores at once, so that threads within a photo only get in each other's way; the network
    takes about a third of the time.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 3))
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)


def print_table(photos: list[PhotoPrediction], console: Console, unread: int = 0):
    """
    One line per face: the corrected label, the primary one, and how sure the corrected one is, as measured where the
    model has a reliability.json. Where the console is narrow, the beginnings of the photos' names give way.
    """
    measured = any(face.reliability for photo in photos for face in photo.faces)
    columns = ("photo", "face", "expression", "", "primary", "", *(MEASURED if measured else UNMEASURED))
    rows = [row for photo in photos for row in _rows(photo, measured)]
    others = sum(max(map(cell_len, cells)) for cells in list(zip(columns, *rows))[1:])
    room = max(LEAST_NAME, console.width - others - GAP * (len(columns) - 1))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column in columns:
        justify = "right" if column in ("face", "", "confidence", "right_in_100") else "left"
        table.add_column(column, justify=justify, no_wrap=column == "photo")
    for name, *cells in rows:
        table.add_row(Text(end_of(name, room)), *map(Text, cells))
    if photos:
        console.print(table)
    faces = sum(len(photo.faces) for photo in photos)
    details = f" ({unread} not read)" if unread else ""
    say(console, f"{counted(faces, 'face')} in {counted(len(photos) + unread, 'photo')}{details}", "dim")


def _rows(photo: PhotoPrediction, measured: bool) -> list[list[str]]:
    """The cells of a photo's lines."""
    if not photo.faces:
        return [[photo.source, "-", "no face found", *[""] * (3 + len(MEASURED if measured else UNMEASURED))]]
    rows = []
    for number, face in enumerate(photo.faces, start=1):
        primary = int(face.primary.argmax())
        rows.append(
            [
                photo.source if number == 1 else "",
                str(number),
                face.label,
                f"{face.score:.0%}" if face.is_answered else "",
                face.labels[primary],
                f"{face.primary.max():.0%}",
                *(_measured_certainty(face) if measured else _certainty(face)),
            ]
        )
    return rows


def _measured_certainty(face: FacePrediction) -> list[str]:
    return ["" if value is None else str(value) for value in (right_in_100(face), could_be(face))]


def _certainty(face: FacePrediction) -> list[str]:
    second = int(face.corrected.argsort()[-2:][0])
    return [f"{face.confidences['corrected']:.2f}", face.labels[second], f"{face.corrected[second]:.0%}"]
