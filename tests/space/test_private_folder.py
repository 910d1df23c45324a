"""The folder of a process: private, gone with it, and nobody else's."""

import os
import signal
import subprocess
import sys

import pytest

from space.private_folder import LOCK, START, delete_leftovers
from tests.helpers.page_driver import ROOT

pytest.importorskip("fcntl")
HOLD = """
import sys, time
from space.private_folder import take_private_folder
print(take_private_folder(), flush=True)
time.sleep(float(sys.argv[1]))
"""


def holder(parent, seconds=60.0):
    """A process with its folder."""
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("end", ["exit", "SIGTERM"])
def test_it_is_private_and_gone_with_the_process(tmp_path, end):
    process, uploads = holder(tmp_path, 0.0 if end == "exit" else 60.0)
    if end == "SIGTERM":
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700 and str(folder) == os.path.dirname(uploads)
        with open(os.path.join(uploads, "photo.png"), "wb") as photo:
            photo.write(b"x")
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not list(tmp_path.iterdir())


def test_leftovers_of_the_dead_go_and_nothing_else(tmp_path):
    alive, living = holder(tmp_path)
    killed, dead = holder(tmp_path)
    killed.kill()
    killed.wait()
    others = tmp_path / "another-program"
    others.mkdir()
    (others / "file").write_bytes(b"x")
    (tmp_path / f"{START}link").symlink_to(others)
    (others / LOCK).touch()
    starting = tmp_path / f"{START}starting"
    starting.mkdir()  # and has no lock yet
    try:
        delete_leftovers(tmp_path)
        assert os.path.isdir(living) and not os.path.exists(os.path.dirname(dead))
        assert (others / "file").exists() and starting.exists()
    finally:
        alive.kill()
        alive.wait()
