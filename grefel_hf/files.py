"""Files and folders that appear whole or not at all, digests of files, and strangers' JSON."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 20_000_000  # of a checkpoint's files, which become many times as much in memory


def read_json(path: Path, most: int = MOST_JSON_BYTES) -> Any:
    """
    What a JSON file of a stranger holds.

    Args:
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, too deep, or no JSON.
    """
    if path.stat().st_size > most:
        raise ValueError(f"{path.name} has more than {most // 1_000_000} MB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error


def check_file(path: Path):
    """Raises OSError, with what to do, where a file of this name cannot be made for want of its folder."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: make the folder {path.parent} first.")


def check_folder(path: Path):
    """Raises OSError, with what to do, where a folder of this name cannot be made because of a file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"{place} is a file and no folder: choose another name than {path}.")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """
    Give a path to write to; when the block ends that file takes the place of `path`, when it raises nothing changes.

    It lies beside the final one until then, on the same disk, so that the change is a rename, and bears the number of
    this process, so that two that write one file do not write into each other. A block that writes nothing leaves
    things as they are.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if partial.exists():
            flush(partial)
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str):
    """Write a text file (UTF-8) that has its old content or the new one, whatever happens."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """The same for a folder: give an empty one to fill, which takes the place of `folder` when the block ends."""
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        open_files(partial)
        flush_folder(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(folder: Path):
    """Put back a folder whose replacement was interrupted between its two renames."""
    old = folder.with_name(folder.name + ".old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)


def open_files(folder: Path):
    """Let those read and write the files of a new folder who may the folder: safetensors makes its own private."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(folder.stat().st_mode & 0o666)


def flush_folder(folder: Path):
    """Have the disk hold every file of a folder, and the folder's list of them."""
    for path in (*folder.rglob("*"), folder):
        flush(path)


def flush(path: Path):
    """Have the disk hold what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_digest(*paths: str | Path) -> str:
    """sha256 of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()
