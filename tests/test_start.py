"""What starts at once: importing the package, and --help of every command. Counted are modules, not seconds."""

import os
import subprocess
import sys

import pytest

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from tests.helpers import REPOSITORY

SLOW = {"torch", "transformers", "datasets", "accelerate", "pandas", "gradio"}
# A program that runs another one as a script, and then says which of the slow packages came with it.
WATCH = """
import runpy, sys
program, *sys.argv = sys.argv[1:]
try:
    run = runpy.run_path if program.endswith(".py") else runpy.run_module
    run(program, run_name="__main__")
except SystemExit as end:
    assert end.code == 0, end.code
print("came with it:", *sorted(set(sys.modules) & set({slow})))
"""
SCRIPTS = sorted([*(REPOSITORY / "train").glob("*.py"), REPOSITORY / "app.py"])


def slow_packages(program: str, *arguments: str) -> set[str]:
    """Of `SLOW`, what a program imports with these arguments."""
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'train'}"}
    command = [sys.executable, "-c", WATCH.replace("{slow}", repr(SLOW)), program, program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    text, _, names = done.stdout.rpartition("came with it:")
    assert "--help" not in arguments or "usage:" in text
    return set(names.split())


def test_importing_the_package_takes_no_slow_one():
    program = f"import sys, grefel_hf; print(*set(sys.modules) & {SLOW})"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not done.stdout.split()


@pytest.mark.parametrize("program", ["grefel_hf", "grefel_hf.export_onnx"])
def test_help_of_a_command_takes_no_slow_package(program):
    assert not slow_packages(program, "--help")


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_help_of_a_script_takes_no_slow_package(script):
    assert not slow_packages(str(script), "--help")


@pytest.mark.parametrize("first", ["grefel_hf", "transformers.models.auto.modeling_auto", "transformers.pipelines"])
def test_auto_classes_know_the_network_whoever_is_imported_first(first):
    program = f"""
import importlib
importlib.import_module({first!r})
import grefel_hf
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification, pipelines
config = AutoConfig.for_model("grefel")
assert type(config) is grefel_hf.GReFELConfig
assert AutoModel._model_mapping[type(config)] is grefel_hf.GReFELModel
assert AutoModelForImageClassification._model_mapping[type(config)] is grefel_hf.GReFELForImageClassification
assert "facial-expression-recognition" in pipelines.PIPELINE_REGISTRY.get_supported_tasks()
processor = AutoImageProcessor.from_pretrained({str(BUNDLED_CHECKPOINT)!r})
assert isinstance(processor, grefel_hf.GReFELImageProcessor | grefel_hf.GReFELImageProcessorTorchvision)
"""
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


@pytest.fixture
def kept_graph(monkeypatch, tmp_path):
    """A home of its own in which the bundled checkpoint ran once."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    program = (
        "from grefel_hf import FacialExpressionPredictor; FacialExpressionPredictor.from_pretrained(detector='none')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


def test_a_photo_takes_no_slow_package_where_the_graph_is_kept(kept_graph, astronaut_file):
    assert not slow_packages("grefel_hf", str(astronaut_file), "--detector", "none")
