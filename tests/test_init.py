"""The public names, which come when they are asked for."""

import subprocess
import sys

import pytest

import grefel_hf
from tests.helpers import REPOSITORY


def test_every_public_name_is_there():
    for name in grefel_hf.__all__:
        assert getattr(grefel_hf, name) is not None and name in dir(grefel_hf)
    with pytest.raises(AttributeError, match="'grefel_hf' has no attribute 'FacePredictor'"):
        grefel_hf.FacePredictor  # noqa: B018


def test_registering_the_network_does_not_import_the_predictor():
    program = "import sys, grefel_hf; print(*(name for name in sys.modules if name.startswith('grefel_hf.')))"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert "model" in rooms and not rooms & {"predictor", "results", "runtime", "video", "cli"}
