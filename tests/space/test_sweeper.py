"""Nothing that is uploaded stays."""

import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import gradio as gr
import pytest
from gradio.processing_utils import save_base64_to_cache
from gradio_client import Client, handle_file

from grefel_hf import FacialExpressionPredictor
from space import page as layout
from space.sweeper import Sweeper, own_files, start_sweeping
from tests.helpers.page_driver import ROOT


def test_sweeping_takes_what_is_old(tmp_path):
    old, new, own = tmp_path / "a" / "old.png", tmp_path / "b" / "new.png", tmp_path / "c" / "own.png"
    for file in (old, own):
        file.parent.mkdir()
        file.write_bytes(b"x")
    sweeper = Sweeper(tmp_path, 100, frozenset([own]))
    sweeper.sweep(0)
    new.parent.mkdir()
    new.write_bytes(b"x")
    sweeper.sweep(99)
    assert old.exists()
    sweeper.sweep(101)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"new.png", "own.png"}
    sweeper.sweep(102)  # a folder that has just been emptied was written to
    sweeper.sweep(203)
    sweeper.sweep(303)
    assert {path.name for path in tmp_path.rglob("*")} == {"c", "own.png"}


@pytest.mark.parametrize("written", [0, 2**32])
def test_a_clock_that_was_set_changes_nothing(tmp_path, written):
    """A day ahead, and what had just been uploaded went; a day back, and what was uploaded before stayed a day."""
    file = tmp_path / "photo.png"
    file.write_bytes(b"x")
    os.utime(file, (written, written))
    sweeper = Sweeper(tmp_path, 100)
    sweeper.sweep(0)
    assert file.exists()
    sweeper.sweep(100)
    assert not file.exists()


def test_sweeping_follows_no_link(tmp_path):
    other = tmp_path / "other" / "file"
    other.parent.mkdir()
    other.write_bytes(b"x")
    (tmp_path / "uploads").symlink_to(other.parent)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "link").symlink_to(other.parent)
    for folder in ("uploads", "own"):
        sweeper = Sweeper(tmp_path / folder, 100)
        sweeper.sweep(0)
        sweeper.sweep(100)
    assert other.exists() and not (tmp_path / "own" / "link").is_symlink()


PAGE = """
import time
from types import SimpleNamespace
from space.private_folder import take_private_folder
uploads = take_private_folder()
from space.sweeper import start_sweeping
print(uploads, flush=True)
input()
start_sweeping(SimpleNamespace(temp_file_sets=[]), frozenset(), every=0.1, seconds=0.0)
time.sleep(60)
"""


def test_two_pages_and_a_strangers_app_leave_each_others_files_alone(astronaut_file, tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PAGE]
    pages = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        with gr.Blocks() as stranger:
            gr.Image(str(astronaut_file))
        (theirs,) = own_files(stranger)
        first, second = (Path(page.stdout.readline().strip()) / "upload.png" for page in pages)
        assert first.parent != second.parent and {first.parent, second.parent} <= set(tmp_path.rglob("*"))
        for file in (theirs, first, second):
            file.touch()
            os.utime(file, (0, 0))  # an age at which a page deletes its own
        pages[0].stdin.write("\n")
        pages[0].stdin.flush()
        deadline = time.monotonic() + 60
        while first.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not first.exists() and second.exists() and theirs.exists()
        pages[0].terminate()
        assert pages[0].wait(timeout=60) == 0
        assert not first.parent.exists() and second.exists() and theirs.exists()
    finally:
        for page in pages:
            page.kill()
            page.communicate()


def test_nothing_of_an_upload_survives(tiny_checkpoint, astronaut_file, tmp_path, monkeypatch):
    """Photo, set and MCP upload go in; once the cleaners have run, no folder for temporary files holds any."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert sum(layout.DELETE_CACHE) <= 600
    page = layout.build_page(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))
    own = own_files(page)
    assert own == {file for file in tmp_path.rglob("*") if file.is_file()}
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        client = Client(url, verbose=False, analytics_enabled=False)
        photo = handle_file(str(astronaut_file))
        assert client.predict(photo, api_name="/predict")["faces"]
        assert client.predict([photo, photo], api_name="/many_photos")[0]
        content = base64.b64encode(astronaut_file.read_bytes()).decode()
        save_base64_to_cache(f"data:image/png;base64,{content}", str(tmp_path / "uploads"))  # as MCP does
        assert {file for file in tmp_path.rglob("*") if file.is_file()} - own
        start_sweeping(page, own, every=0.2, seconds=1.0)

        def left() -> set[Path]:
            names = {Path(name) for name in set().union(*page.temp_file_sets)}  # they go after the files
            return ({file for file in tmp_path.rglob("*") if file.is_file()} | names) - own

        deadline = time.monotonic() + 30
        while left() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not left() and all(file.exists() for file in own)
    finally:
        page.close()
