"""
Facial expressions of the faces in photos, on the command line.

    python -m grefel_hf PHOTO_OR_FOLDER... [--model ID] [--detector auto|yunet|hog|none] [--json FILE | --csv FILE]

The exit status is 0 if every file was read, 1 if some were not (the rest is done all the same), and 2 if nothing
could be done.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import track
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from .face_detection import DETECTORS, DetectorUnavailableError
from .photos import PhotoError, find_photos
from .predictor import FacialExpressionPredictor, PhotoFailure
from .results import PhotoPrediction, faces_table


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m grefel_hf", description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("photos", nargs="+", metavar="PHOTO_OR_FOLDER", help="folders are searched with subfolders")
    parser.add_argument("--model", metavar="ID", help="folder or Hub id (default: the bundled checkpoint)")
    parser.add_argument("--detector", choices=DETECTORS, default="auto", help="'none' for face crops (default: auto)")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", type=Path, metavar="FILE", help="write everything, anchor similarities included")
    output.add_argument("--csv", type=Path, metavar="FILE", help="write one row per face")
    return parser.parse_args(argv)


def predict(predictor: FacialExpressionPredictor, files: list[Path], messages: Console) -> list[PhotoPrediction]:
    """Results of the files that can be read; the others are reported on `messages`."""
    results = []
    # A bar on one photo is only noise.
    bar = dict(console=messages, transient=True, disable=len(files) < 2, description="photos")
    for result in track(predictor.stream(files), total=len(files), **bar):
        if isinstance(result, PhotoFailure):
            messages.print(f"not read: {result.error}", style="red", markup=False)
        else:
            results.append(result)
    return results


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


def write_whole(path: Path, text: str):
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    messages = Console(stderr=True)
    handler = RichHandler(console=messages, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("grefel_hf").setLevel(logging.INFO)
    disable_progress_bar()  # transformers shows one for every model it loads
    try:
        files = find_photos(args.photos)
        predictor = FacialExpressionPredictor.from_pretrained(args.model, detector=args.detector)
    except (PhotoError, OSError, ValueError, DetectorUnavailableError) as error:
        messages.print(str(error), style="red", markup=False)
        return 2
    if not files:
        messages.print("No photo found in the given folders.", style="red")
        return 2
    results = predict(predictor, files, messages)
    try:
        if args.json:
            write_whole(args.json, json.dumps([photo.to_dict() for photo in results], indent=2))
        elif args.csv:
            write_whole(args.csv, faces_table(results).to_csv(index=False))
        else:
            print_table(results, Console())
    except OSError as error:
        messages.print(f"Cannot write the results: {error}", style="red", markup=False)
        return 2
    return 0 if len(results) == len(files) else 1


if __name__ == "__main__":
    sys.exit(main())
