"""What named files and folders hold: photos, videos, moving pictures, and what is left out and why."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..media import file_kind
from .links import is_link
from .photos import PhotoError, image_suffixes, path_exists

PHOTO, VIDEO, MOVING = "photo", "video", "moving picture"


@dataclass
class Found:
    """
    files: paths, and links as they are, with the kind of each. A moving picture (GIF, WebP or PNG of several frames) is
        a photo, too, if only its first frame counts.
    left_out: what in a folder is none of these, and why.
    """

    files: dict[Path | str, str] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)

    def of_kind(self, *kinds: str) -> list[Path | str]:
        return [file for file, kind in self.files.items() if kind in kinds]


def find_photos(paths: Iterable[str | os.PathLike]) -> list[Path | str]:
    """
    List the photos that `paths` name; see `find_media`. A named file is kept whatever it holds, of a moving picture
    the first frame counts.

    Raises:
        PhotoError: a path does not exist.
    """
    named = set(map(str, paths := list(paths)))
    files = find_media(paths).files
    return [file for file, kind in files.items() if kind != VIDEO or str(file) in named]


def find_media(paths: Iterable[str | os.PathLike]) -> Found:
    """
    Sort what `paths` name by its content; a photo's suffix counts, too, so that a damaged one is not passed over.

    Args:
        paths: files, links and folders. A file that is nothing known counts as a photo, which reading will explain. A
            folder gives what is below it, sorted, through symbolic links, too.

    Returns:
        Everything once, in the order of `paths`; two names of one file are one.

    Raises:
        PhotoError: a path does not exist.
    """
    found, seen, suffixes = Found(), set(), image_suffixes()
    for path in paths:
        if is_link(path):
            found.files[path] = PHOTO
            continue
        path = Path(path)
        if not path_exists(path):
            raise PhotoError(f"{path} does not exist: check the spelling")
        named = not path.is_dir()
        for file in [path] if named else _files_below(path, found.left_out):
            kind, reason = _kind(file, suffixes)
            kind = kind or (PHOTO if named else None)
            if (real := os.path.realpath(file)) in seen:
                continue
            seen.add(real)
            if kind is None:
                found.left_out[file] = reason
            else:
                found.files[file] = kind
    return found


def _kind(file: Path, suffixes: set[str]) -> tuple[str | None, str]:
    if not file.is_file():
        return None, "no ordinary file" if path_exists(file) else "a link that leads nowhere"
    try:
        kind = file_kind(file)
    except OSError as error:
        return (PHOTO if file.suffix.lower() in suffixes else None), f"it cannot be opened: {error.strerror}"
    return kind or (PHOTO if file.suffix.lower() in suffixes else None), "no photo and no video"


def _files_below(folder: Path, left_out: dict[Path, str]) -> Iterator[Path]:
    """Files in the order of their paths; folders that are hidden, closed or seen already are left out."""

    def refuse(error: OSError):
        left_out[Path(error.filename)] = f"it cannot be listed: {error.strerror}"

    visited, files = set(), []
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in visited:
            left_out[Path(parent)] = "a link to a folder that is done already"
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        for name in [name for name in (*folders, *names) if name.startswith(".")]:
            left_out[Path(parent, name)] = "hidden"
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return iter(sorted(files))
