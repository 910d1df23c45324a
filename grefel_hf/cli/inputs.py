"""What the command line is to work on: photos or videos, told by content."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ..faces.folders import MOVING, PHOTO, VIDEO, find_media
from ..faces.photos import PhotoError
from ..plurals import counted
from .terminal import say

MOST_NAMED = 5  # files that one reason left out


class InputError(ValueError):
    """Files that do not go together with one another or with the flags."""


@dataclass(frozen=True)
class Inputs:
    """
    Photos or videos, one of them empty, in the order of the command line.

    closed: folders or files that nobody may look at were among what was left out.
    """

    photos: list[Path | str]
    videos: list[Path]
    closed: bool


def find_inputs(args: argparse.Namespace, messages: Console) -> Inputs:
    """
    Sort what was named, and say what folders hold that is left out.

    Raises:
        PhotoError: a path does not exist, or nothing is there to work on.
        InputError: photos and videos are named together, or flags for the other kind.
    """
    found = find_media(args.photos)
    named = {Path(name) for name in args.photos}
    for_photos, for_videos = args.json or args.jsonl, args.annotated or args.stride != 1 or args.smoothing
    kinds = set(found.files.values())
    named_kinds = {kind for file, kind in found.files.items() if file in named or isinstance(file, str)}
    if for_videos or VIDEO in named_kinds or (PHOTO not in kinds and not for_photos):
        if for_photos:
            raise InputError("results of a video are written with --csv and --annotated")
        if named_kinds >= {PHOTO, VIDEO}:
            raise InputError("give photos and videos in separate runs")
        if PHOTO in named_kinds:
            photo = next(file for file, kind in found.files.items() if kind == PHOTO)
            raise InputError(f"--annotated, --stride and --smoothing are for videos, and {photo} is not a video")
        wanted = {VIDEO, MOVING} | (named_kinds if for_videos else set())  # what is no video says so when it is opened
    else:
        wanted = {PHOTO, MOVING}
    files = [file for file, kind in found.files.items() if kind in wanted]
    others = {file: kind for file, kind in found.files.items() if kind not in wanted}
    reasons = {file: f"a {kind}: name it, or a folder of its kind only" for file, kind in others.items()}
    tell_left_out(found.left_out | reasons, messages)
    if not files:
        raise PhotoError("No photo and no video found in the given folders.")
    closed = any(" be " in reason for reason in found.left_out.values())
    return Inputs(*(([], files) if VIDEO in wanted else (files, [])), closed)


def tell_left_out(reasons: Mapping[Path | str, str], messages: Console):
    """A line for each file, and one for all the others where one reason left out many."""
    by_reason: dict[str, list[Path | str]] = {}
    for file, reason in reasons.items():
        by_reason.setdefault(reason, []).append(file)
    for reason, files in by_reason.items():
        for file in files[:MOST_NAMED]:
            say(messages, f"left out: {file}: {reason}", "dim")
        if len(files) > MOST_NAMED:
            say(messages, f"left out: {counted(len(files) - MOST_NAMED, 'more file')}: {reason}", "dim")
