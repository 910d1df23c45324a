"""
Deleting what visitors uploaded.

Gradio's `delete_cache` deletes the files that it knows of. It does not know of uploads that broke off, of pictures that
came through MCP as data URIs, or of what an earlier process left; so everything that is old goes.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder


class Sweeper:
    """
    Deletes what lies below a folder for longer than it may, since this saw it first: clocks may be set.

    Args:
        seconds: for which a file stays after it was written to.
        keep: files that stay.
    """

    def __init__(self, folder: Path, seconds: float, keep: frozenset[Path] = frozenset()):
        self._folder, self._seconds, self._keep = folder, seconds, keep
        self._seen: dict[tuple[Path, float], float] = {}  # by path and time of writing: since when

    def sweep(self, now: float) -> None:
        """Delete the old files but those to keep, and folders that are empty then. now: of a clock that none sets."""
        if self._folder.is_symlink():  # someone put it in the folder's place: what it leads to is not ours
            return
        seen, self._seen = self._seen, {}
        for path in sorted(self._folder.rglob("*"), reverse=True):  # what is in a folder comes before it
            with contextlib.suppress(OSError):  # someone else deleted it, or the folder is not empty
                file = (path, path.lstat().st_mtime)
                since = seen.get(file, now)
                if now - since < self._seconds or path in self._keep:
                    self._seen[file] = since
                elif path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()


def own_files(page: gr.Blocks) -> frozenset[Path]:
    """What a page that has just been built keeps in Gradio's folder: the pictures on its buttons."""
    return frozenset(Path(file) for block in page.blocks.values() for file in getattr(block, "temp_files", ()))


def forget_names(page: gr.Blocks) -> None:
    """Drop the names of files that are gone, which Gradio would remember for ever and look for every minute."""
    for names in page.temp_file_sets:
        names -= {name for name in names.copy() if not os.path.lexists(name)}


def start_sweeping(page: gr.Blocks, own: frozenset[Path], every: float, seconds: float) -> None:
    """Sweep Gradio's folder from now on, in a thread of its own; the page's own files stay."""
    sweeper = Sweeper(Path(get_upload_folder()), seconds, own)

    def run() -> None:
        while True:
            sweeper.sweep(time.monotonic())
            forget_names(page)
            time.sleep(every)

    threading.Thread(target=run, name="sweeper", daemon=True).start()
