"""One run in a folder, and a full disk in words."""

import errno
import resource
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from grefel_train.run.output_dir import append_line, lock_folder, plainly
from tests.helpers import REPOSITORY

HOLD = "import sys; from pathlib import Path; from grefel_train.run.output_dir import lock_folder\n"
HOLD += "lock = lock_folder(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_a_folder_is_of_one_run_while_that_lives(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    other = subprocess.Popen(
        command, cwd=REPOSITORY / "train", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match=f"{tmp_path} is in use by another run .process {other.pid} on "):
        lock_folder(tmp_path)
    other.kill()
    other.wait()
    lock_folder(tmp_path).close()


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("error", "free", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1 << 30, "the disk of {} is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 1 << 30, "the disk of {} is full"),
        (RuntimeError("inline_container.cc:668: unexpected pos 64 vs 0\nmore"), 4096, "the disk of {} is full"),
        (PermissionError(errno.EACCES, "Permission denied"), 1 << 30, "[Errno 13] Permission denied"),
        (RuntimeError("one line\nmore"), 1 << 30, "one line"),
    ],
)
def test_a_full_disk_is_called_that(tmp_path, monkeypatch, error, free, words):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1 << 40, 0, free))
    assert plainly(error, tmp_path) == words.format(tmp_path)


def test_a_line_that_does_not_fit_is_taken_back(tmp_path):
    file = tmp_path / "log.jsonl"
    append_line(file, "a" * 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))  # a write beyond that fails as it does on a full disk
    try:
        with pytest.raises(OSError):
            append_line(file, "b" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_text() == "a" * 100 + "\n"
