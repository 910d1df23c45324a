"""
Deleting what visitors uploaded.

Gradio's `delete_cache` deletes the files that it knows of. It does not know of uploads that broke off, of pictures that
came through MCP as data URIs, or of what an earlier process left; so everything that is old goes.
"""

import contextlib
import threading
import time
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder


def sweep(folder: Path, seconds: float, keep: frozenset[Path] = frozenset()) -> None:
    """Delete the files below `folder` whose content is older, but those to keep, and folders that are empty then."""
    limit = time.time() - seconds
    if folder.is_symlink():  # someone put it in the folder's place: what it leads to is not ours
        return
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        with contextlib.suppress(OSError):  # someone else deleted it, or the folder is not empty
            if path.is_dir() and not path.is_symlink():
                if path.stat().st_mtime < limit:
                    path.rmdir()
            elif path not in keep and path.lstat().st_mtime < limit:
                path.unlink()


def own_files(page: gr.Blocks) -> frozenset[Path]:
    """What a page that has just been built keeps in Gradio's folder: the pictures on its buttons."""
    return frozenset(Path(file) for block in page.blocks.values() for file in getattr(block, "temp_files", ()))


def start_sweeping(own: frozenset[Path], every: float, seconds: float) -> None:
    """Sweep Gradio's folder from now on, in a thread of its own; the page's own files stay."""

    def run() -> None:
        while True:
            sweep(Path(get_upload_folder()), seconds, own)
            time.sleep(every)

    threading.Thread(target=run, name="sweeper", daemon=True).start()
