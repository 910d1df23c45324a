"""A folder of this process's own for whatever visitors send: nobody else's, and gone with the process."""

import atexit
import contextlib
import os
import shutil
import signal
import stat
import sys
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where what a killed process left stays
    fcntl = None

START = "grefel-page-"
LOCK = ".lock"


def take_private_folder() -> Path:
    """
    Make the folder (0700) in GRADIO_TEMP_DIR or the system's folder for temporary files, and have the framework and
    everything else put their files there. It is deleted at the end of the process and at SIGTERM; what processes that
    were killed left is deleted now. Called before gradio is imported.
    """
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    delete_leftovers(parent)
    folder = Path(tempfile.mkdtemp(prefix=START, dir=parent))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)  # open, and so locked, until the end
    if fcntl:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    uploads = folder / "gradio"
    uploads.mkdir(mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    owner = os.getpid()

    def delete() -> None:
        if os.getpid() == owner:  # not in a fork
            shutil.rmtree(folder, ignore_errors=True)

    def stop(number: int, frame: object) -> None:
        delete()
        sys.exit(0)

    atexit.register(delete)
    signal.signal(signal.SIGTERM, stop)
    return uploads


def delete_leftovers(parent: Path) -> None:
    """Delete the folders of dead processes: those of this user whose lock nobody holds. Links are not followed."""
    if not fcntl:
        return
    for folder in parent.glob(f"{START}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)  # one without is being made
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
