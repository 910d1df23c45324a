"""The command line on photos: a table, one JSON array, or a CSV or JSON Lines file that grows and can be continued."""

import argparse
import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..files import write_text
from ..loading import BUNDLED_CHECKPOINT
from ..predictor import FacialExpressionPredictor, PhotoFailure
from ..results import PhotoPrediction
from .result_files import CsvFormat, JsonLinesFormat, ResultFile, model_name

INTERRUPTED = 130  # exit status, as shells have it for Ctrl-C


def run_photos(
    args: argparse.Namespace,
    predictor: FacialExpressionPredictor,
    files: list[Path],
    stop: threading.Event,
    messages: Console,
) -> int:
    """
    Predict and write what the flags ask for; gives the exit status.

    Raises:
        OSError: results cannot be written.
        ResultFileError: the file for them holds something else.
    """
    if args.csv or args.jsonl:
        return _to_growing_file(args, predictor, files, stop, messages)
    results = list(_predict(predictor, files, stop, messages))
    photos = [result for result in results if isinstance(result, PhotoPrediction)]
    if stop.is_set():
        messages.print(f"Stopped after {len(results)} of {counted(len(files), 'photo')}.", highlight=False)
    if args.json and stop.is_set():
        messages.print(
            f"{args.json} is not written: --jsonl and --csv keep what is done.", markup=False, highlight=False
        )
    elif args.json:
        write_text(args.json, json.dumps([photo.to_dict() for photo in photos], indent=2))
    else:
        print_table(photos, Console())
    return INTERRUPTED if stop.is_set() else int(len(photos) < len(files))


def _to_growing_file(
    args: argparse.Namespace,
    predictor: FacialExpressionPredictor,
    files: list[Path],
    stop: threading.Event,
    messages: Console,
) -> int:
    form = CsvFormat(predictor.labels) if args.csv else JsonLinesFormat()
    model = model_name(str(args.model or BUNDLED_CHECKPOINT))
    output = ResultFile(args.csv or args.jsonl, form, predictor.detector.name, model, args.overwrite)
    try:
        left = [file for file in files if output.record(file) is None]
        if len(left) < len(files):
            done = counted(len(files) - len(left), "photo")
            messages.print(f"{output.path} has {done} already, {len(left)} to go.", markup=False, highlight=False)
        for result in _predict(predictor, left, stop, messages):
            output.add(result)
    finally:
        output.close()
    records = [record for file in files if (record := output.record(file))]
    unread = sum(not record.was_read for record in records)
    empty = sum(record.was_read and not record.faces for record in records)
    summary = f"{counted(sum(record.faces for record in records), 'face')} in {counted(len(records), 'photo')}"
    details = f"{empty} without a face, {unread} not read"
    messages.print(f"{output.path}: {summary} ({details})", markup=False, highlight=False)
    if stop.is_set():
        rest = counted(len(files) - len(records), "photo")
        messages.print(f"Stopped with {rest} to go: the same command goes on from here.", highlight=False)
        return INTERRUPTED
    return int(unread > 0)


def _predict(
    predictor: FacialExpressionPredictor, files: list[Path], stop: threading.Event, messages: Console
) -> Iterator[PhotoPrediction | PhotoFailure]:
    """Results until `stop` is set; files that cannot be read are reported on `messages`."""
    if len(files) > 1:
        share_cores()
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # A bar on one photo is only noise.
    with Progress(*columns, console=messages, transient=True, disable=len(files) < 2) as progress:
        task = progress.add_task("photos", total=len(files))
        # Files stop coming when the user stops; those under way come out.
        wanted = (file for file in files if not stop.is_set())
        for result in predictor.stream(wanted, keep_crops=False):
            if isinstance(result, PhotoFailure):
                messages.print(f"not read: {result.error}", style="red", markup=False)
            yield result
            progress.advance(task)


def share_cores():
    """
    Photos are searched on all cores at once, so that threads within a photo only get in each other's way; the network
    takes about a third of the time.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 3))
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)


def print_table(photos: list[PhotoPrediction], console: Console):
    """One line per face: the corrected label, the primary one, and the confidences of both."""
    table = Table(box=None, pad_edge=False)
    for column in ("photo", "face", "expression", "", "primary", "", "confidence", "runner-up", ""):
        table.add_column(column, justify="right" if column in ("face", "", "confidence") else "left")
    for photo in photos:
        if not photo.faces:
            table.add_row(photo.source, "-", "no face found")
        for number, face in enumerate(photo.faces, start=1):
            primary = face.labels[int(face.primary.argmax())]
            second = int(face.corrected.argsort()[-2])
            table.add_row(
                photo.source if number == 1 else "",
                str(number),
                face.label,
                f"{face.score:.0%}",
                primary,
                f"{face.primary.max():.0%}",
                f"{face.confidences['corrected']:.2f}",
                face.labels[second],
                f"{face.corrected[second]:.0%}",
            )
    console.print(table)
    faces = sum(len(photo.faces) for photo in photos)
    console.print(f"{counted(faces, 'face')} in {counted(len(photos), 'photo')}", style="dim", highlight=False)


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
