"""The README's Python and command-line examples run as they stand."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY

TEXT = (REPOSITORY / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.S)
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.S) for line in block.splitlines() if line]


@pytest.fixture
def folder(tmp_path, astronaut, predictor):
    """A working folder with what the examples name."""
    astronaut.save(tmp_path / "photo.jpg")
    predictor(astronaut).faces[0].crop.save(tmp_path / "face.jpg")
    (tmp_path / "grefel_hf").symlink_to(REPOSITORY / "grefel_hf")
    return tmp_path


def run(arguments, folder) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples():
    assert len(PYTHON) >= 2 and len(COMMANDS) >= 2


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_examples(code, folder):
    assert "happiness" in run([sys.executable, "-c", code], folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, folder):
    words = shlex.split(command)
    assert words[0] == "python"
    run([sys.executable, *words[1:]], folder)
