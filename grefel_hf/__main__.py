"""
Facial expressions of the faces in photos or in videos, on the command line.

    grefel PHOTO_OR_FOLDER... [--csv FILE | --jsonl FILE | --json FILE]
    grefel VIDEO... [--csv FILE] [--annotated FILE.mp4] [--stride N] [--smoothing SECONDS]

`python -m grefel_hf` is the same command.
The exit status is 0 if everything was read, 1 if some photos were not or a video broke off (the rest is done all the
same), 2 if nothing could be done, and 130 after Ctrl-C.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from .cli.inputs import InputError, find_inputs
from .cli.photos import INTERRUPTED, run_photos
from .cli.result_files import ResultFileError
from .cli.stopping import stop_signals
from .cli.terminal import Handler, one_line, say
from .cli.video import run_videos
from .faces.detection import DETECTORS
from .faces.face import DetectorUnavailableError
from .faces.photos import MAX_PIXELS, PhotoError
from .files import check_file
from .onnx_session import OnnxUnavailableError
from .predictor import FacialExpressionPredictor
from .runtime.networks import RUNTIMES
from .runtime.onnx_network import GraphMismatchError
from .video.decoder import VideoError

GOING_ON = """\
An existing --csv or --jsonl of photos that the same model and detector wrote is continued: photos that are in it are
not done again, those that could not be read included, and a row that a crash left unfinished is done anew. Any other
existing file is refused, unless --overwrite replaces it. Ctrl-C ends with valid files."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grefel", description=__doc__.split("\n\n")[0].strip(), epilog=GOING_ON)
    parser.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO_OR_FOLDER",
        help="or videos, or links to photos; folders are searched with subfolders",
    )
    parser.add_argument("--model", metavar="ID", help="folder or Hub id (default: the bundled checkpoint)")
    parser.add_argument("--detector", choices=DETECTORS, default="auto", help="'none' for face crops (default: auto)")
    parser.add_argument(
        "--min_score",
        type=float,
        metavar="P",
        help="least score of a face, 0 to 1 (default: the detector's own): higher finds less that is none",
    )
    parser.add_argument(
        "--min_face", type=float, default=0.0, metavar="PIXELS", help="least side of a face's box (default: any)"
    )
    parser.add_argument(
        "--max_megapixels",
        type=float,
        default=MAX_PIXELS / 1e6,
        metavar="N",
        help="photos that would take more memory than so many megapixels are read smaller or refused (default: "
        "%(default)g)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        metavar="NAME",
        help=f"what runs the network: {', '.join(RUNTIMES)} or a file of export_onnx (default: auto, the fastest)",
    )
    parser.add_argument("--device", default="cpu", help="where the network runs, or 'auto' (default: cpu)")
    answers = parser.add_mutually_exclusive_group()
    answers.add_argument(
        "--answer_only",
        type=float,
        metavar="SHARE",
        help="'cannot tell' where fewer than this share of such answers were right: 0.9 for 90 in 100",
    )
    answers.add_argument("--answer_all", action="store_true", help="a label even for what does not look like a face")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="one row per face; photos without a face have face 0, unreadable ones an error",
    )
    output.add_argument("--jsonl", type=Path, metavar="FILE", help="one line per photo, anchor similarities included")
    output.add_argument("--json", type=Path, metavar="FILE", help="the same in one array, written at the end")
    video = parser.add_argument_group("for videos, GIF and WebP that move")
    video.add_argument(
        "--annotated",
        type=Path,
        metavar="FILE.mp4",
        help="a copy with the faces' boxes and labels; of several: a folder",
    )
    video.add_argument("--stride", type=int, default=1, metavar="N", help="analyse every N-th frame (default: 1)")
    video.add_argument(
        "--smoothing",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="time constant of an exponential mean of each person's distribution (default: 0, none)",
    )
    args = parser.parse_args(argv)
    if args.stride < 1 or not 0 <= args.smoothing < float("inf"):
        parser.error("--stride is at least 1, --smoothing at least 0")
    if not (args.min_score is None or 0 < args.min_score < 1):
        parser.error("--min_score lies between 0 and 1")
    if not (args.answer_only is None or 0 < args.answer_only <= 1):
        parser.error("--answer_only is above 0 and at most 1: 0.9 for answers that were right 90 times in 100")
    if not args.min_face >= 0:
        parser.error("--min_face is at least 0")
    if not 0 < args.max_megapixels < float("inf"):
        parser.error("--max_megapixels is above 0")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    messages = Console(stderr=True)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[Handler(messages)])
    logging.getLogger("grefel_hf").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="PIL")  # of EXIF blocks, say: what matters is in the notes
    try:
        return run(args, messages)
    except (InputError, PhotoError, VideoError, ResultFileError, OSError, DetectorUnavailableError) as error:
        say(messages, one_line(error), "red")
        return 2
    except KeyboardInterrupt:
        messages.print("Stopped.")
        return INTERRUPTED


def run(args: argparse.Namespace, messages: Console) -> int:
    """Gives the exit status; raises what main() reports."""
    inputs = find_inputs(args, messages)
    for file in (args.csv, args.jsonl, args.json):
        if file:
            check_file(file)
    whole_files = (args.csv, args.annotated) if inputs.videos else (args.json,)
    for file in whole_files:
        if file and file.is_file() and not args.overwrite:
            raise ResultFileError(f"{file} exists: choose another file, or replace it with --overwrite.")
    try:
        predictor = FacialExpressionPredictor.from_pretrained(
            args.model,
            detector=args.detector,
            runtime=args.runtime,
            device=args.device,
            min_score=args.min_score,
            min_face=args.min_face,
            answer_all=args.answer_all,
            answer_only=args.answer_only,
        )
    except (ValueError, OnnxUnavailableError, GraphMismatchError) as error:  # no GReFEL model, no such runtime
        raise OSError(str(error)) from error
    with stop_signals() as stop:
        if inputs.videos:
            status = run_videos(args, predictor, inputs.videos, stop, messages)
        else:
            status = run_photos(args, predictor, inputs.photos, stop, messages)
    return status or int(inputs.closed)


if __name__ == "__main__":
    sys.exit(main())
