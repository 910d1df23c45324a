"""A wheel built from the tree holds the library with its checkpoint, and answers a photo where the tree is not."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers import REPOSITORY

pytest.importorskip("setuptools", minversion="77", reason="a wheel is built with setuptools 77 or later")
pytest.importorskip("pip", reason="a wheel is built by pip")
NOT_SOURCE = shutil.ignore_patterns("__pycache__")


def pip(*arguments: object):
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, as setuptools leaves a folder `build` behind."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in ("grefel_hf", "space", "train"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=NOT_SOURCE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, tree)
    (file,) = folder.glob("grefel_hf-*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


def run(installed: Path, folder: Path, *command: object) -> str:
    """In the test environment's packages, with `installed` before them."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(map(str, command), cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_travels_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    library = REPOSITORY / "grefel_hf"
    expected = {*library.rglob("*.py"), *library.glob("checkpoints/*/*")}
    assert files == {str(path.relative_to(REPOSITORY)) for path in expected}
    assert "grefel_hf/checkpoints/grefel-small/model.safetensors" in files


def test_the_command_answers_a_photo(installed, astronaut_file, tmp_path):
    where = run(installed, tmp_path, sys.executable, "-c", "import grefel_hf; print(grefel_hf.__file__)")
    assert Path(where.strip()).is_relative_to(installed)
    options = ("--detector", "hog", "--runtime", "torch", "--json", "results.json")
    run(installed, tmp_path, installed / "bin" / "grefel", astronaut_file, *options)
    (photo,) = json.loads((tmp_path / "results.json").read_text())
    assert [face["label"] for face in photo["faces"]] == ["happiness"]
