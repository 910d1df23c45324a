"""The notebook does what it says: its cells run from made-up faces to a model on a Hub on loopback."""

import json
import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import REPOSITORY
from tests.helpers.command_blocks import check_command
from tests.helpers.hub_server import WRITE_TOKEN, running_hub
from tests.helpers.training_runs import write_faces

NOTEBOOK = json.loads((REPOSITORY / "notebooks" / "faces_to_hub.ipynb").read_text())
BASH = "%%bash\n"


CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SETTINGS = {"FACES": "my_faces", "OUT": "runs/mine", "MODEL_ID": "user/grefel-mine", "FLAGS": "--max_train_steps 1"}


def program() -> str:
    """The code cells as one Python program; those of bash as Jupyter runs them."""
    run = "import subprocess\nsubprocess.run(['bash', '-c', {!r}], check=True)"
    return "\n".join(run.format(cell.removeprefix(BASH)) if cell.startswith(BASH) else cell for cell in CELLS)


def test_cells_are_python_or_commands_with_programs_flags_and_files(monkeypatch):
    compile(program(), "the notebook", "exec")
    source = "\n".join(cell for cell in CELLS if cell.startswith(BASH)).replace("\\\n", " ")
    commands = re.findall(r"(?:accelerate launch|python) .*?(?=; fi$|$)", source, re.M)
    assert len(commands) == sum(cell.startswith(BASH) for cell in CELLS) == 4
    for command in commands:
        check_command(string.Template(command).substitute(SETTINGS), monkeypatch)


@pytest.mark.slow
def test_every_cell_runs(tmp_path):
    """In a folder with nothing but links to the repository, where it may write."""
    for name in ("grefel_hf", "train", "space", "README.md"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    write_faces(tmp_path / "my_faces", 60, classes=("happy", "bored"))
    with running_hub() as hub:
        environment = os.environ | hub.environment(
            HF_TOKEN=WRITE_TOKEN,
            HF_HOME=str(tmp_path / "home"),
            **SETTINGS,
            ACCELERATE_USE_CPU="true",
            PYTHONPATH=str(REPOSITORY),
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        )
        done = subprocess.run(
            [sys.executable, "-c", program()], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        files = hub.files("user/grefel-mine")
    assert {"model.safetensors", "modeling_grefel.py", "evaluation.json", "all_results.json"} <= files.keys()
    assert b"12 images" in files["README.md"] or b"6 images" in files["README.md"]
    assert "happy" in done.stdout or "bored" in done.stdout  # of the photo
    assert (tmp_path / "runs/mine/evaluation/report.html").exists()


def test_the_notebook_is_kept_without_results():
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in NOTEBOOK["cells"])
