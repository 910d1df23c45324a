"""The folder of a run: one run at a time, and what is said when its disk is full."""

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked
    fcntl = None

LOCK_FILE = ".lock"
LITTLE = 1 << 20  # bytes
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def lock_folder(folder: Path) -> IO:
    """
    Keep other runs out of a folder, for as long as the file that is returned stays open and its process lives.

    Raises:
        ValueError: another run has it; the message says which.
    """
    file = open(folder / LOCK_FILE, "a+")
    if fcntl is None:
        return file
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which children that are forked do not hold, unlike flock
    except OSError as error:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        raise ValueError(
            f"{folder} is in use by another run ({owner}): wait for its end, or choose another --output_dir."
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file


def plainly(error: Exception, folder: Path) -> str:
    """What an error of writing says, in one line; that the disk is full where it is, which torch calls otherwise."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    full = getattr(error, "errno", None) in DISK_FULL or "No space left" in text
    if full or shutil.disk_usage(folder).free < LITTLE:
        return f"the disk of {folder} is full"
    return text


def append_line(file: Path, line: str):
    """Add a line to a file, whole or not at all. Raises OSError."""
    size = file.stat().st_size if file.exists() else 0
    try:
        with file.open("a") as stream:
            stream.write(line + "\n")
    except OSError:
        os.truncate(file, size)
        raise
