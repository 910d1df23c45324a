"""Checkpoints: whole or not at all, their limit, and what is refused."""

import json
import resource
import shutil

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from grefel_train.run.checkpoints import CheckpointError, checkpoints, read_checkpoint, write_checkpoint

SETTINGS = {"arguments": {"learning_rate": 0.1}, "model": {"window_sizes": (8, 4), "id2label": {0: "anger"}}}


def write(output_dir, step, settings=SETTINGS, limit=10, save_states=None):
    def save_tensor(folder):
        torch.save(torch.zeros(1000), folder / "states.pt")

    progress = {"step": step, "epoch": 0}
    write_checkpoint(output_dir, progress, settings, save_states or save_tensor, limit, Accelerator(cpu=True))
    return output_dir / f"checkpoint-{step}"


def test_progress_comes_back(tmp_path):
    assert read_checkpoint(write(tmp_path, 4), SETTINGS) == {"step": 4, "epoch": 0}


def test_the_oldest_beyond_the_limit_go(tmp_path):
    for step in (4, 8, 12, 100):
        write(tmp_path, step, limit=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-12", "checkpoint-100"]


def test_a_checkpoint_that_is_written_again_replaces_the_old_one(tmp_path):
    write(tmp_path, 4)
    folder = write(tmp_path, 4, save_states=lambda folder: (folder / "other.txt").write_text("new"))
    assert sorted(path.name for path in folder.iterdir()) == ["other.txt", "run_state.json"]


def test_a_killed_write_leaves_no_checkpoint(tmp_path):
    def killed(folder):
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    write(tmp_path, 4)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 8, limit=1, save_states=killed)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-4"]
    write(tmp_path, 12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-12", "checkpoint-4"]


def test_a_full_disk_leaves_the_checkpoints_that_there_were(tmp_path):
    write(tmp_path, 4)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # a write beyond that fails as it does on a full disk
    try:
        with pytest.raises(OSError, match="checkpoint-8 could not be written"):
            write(tmp_path, 8, limit=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]
    assert read_checkpoint(tmp_path / "checkpoint-4", SETTINGS)["step"] == 4


def cut(folder):
    file = folder / "states.pt"
    file.write_bytes(file.read_bytes()[:-10])


def change(folder):
    file = folder / "states.pt"
    content = bytearray(file.read_bytes())
    content[-500] ^= 1
    file.write_bytes(content)


def pretend(folder):
    file = folder / "run_state.json"
    file.write_text(file.read_text().replace('"step": 8', '"step": 9'))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "checkpoint-8 is damaged: states.pt has"),
        (change, "checkpoint-8 is damaged: states.pt was changed"),
        (lambda folder: (folder / "states.pt").unlink(), "checkpoint-8 is damaged: states.pt is missing"),
        (pretend, "checkpoint-8 is damaged: run_state.json was changed"),
        (lambda folder: (folder / "run_state.json").write_text("{"), "checkpoint-8 is damaged: run_state.json cannot"),
        (lambda folder: (folder / "run_state.json").unlink(), "checkpoint-8 was not written by this train/train.py"),
        (lambda folder: (folder / "run_state.json").write_text('{"format": "x"}'), "written by something else"),
        (shutil.rmtree, "There is no checkpoint"),
    ],
)
def test_damage_is_named_and_the_one_before_offered(tmp_path, damage, message):
    write(tmp_path, 4)
    folder = write(tmp_path, 8)
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as refused:
        read_checkpoint(folder, SETTINGS)
    assert f"--resume_from_checkpoint {tmp_path / 'checkpoint-4'} " in str(refused.value)


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path):
    folder = write(tmp_path, 4)
    other = json.loads(json.dumps(SETTINGS))
    other["arguments"]["learning_rate"] = 0.2
    other["model"]["id2label"] = {0: "fear"}
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(folder, other)
    assert "arguments.learning_rate is 0.1 there and 0.2 here" in str(refused.value)
    assert "model.id2label.0 is 'anger' there and 'fear' here" in str(refused.value)
    assert "with the settings in" in str(refused.value) and "recipe.yaml" in str(refused.value)
    assert f"--model_name_or_path {tmp_path / 'best'}" in str(refused.value)
    assert "start anew" not in str(refused.value)


def test_a_run_is_prolonged_where_its_rates_allow_it(tmp_path):
    planned = {"arguments": {"num_train_epochs": 2, "max_train_steps": None, "learning_rate": 0.1}}
    longer = {"arguments": {"num_train_epochs": 3, "max_train_steps": None, "learning_rate": 0.1}}
    folder = write(tmp_path, 4, settings=planned)
    assert read_checkpoint(folder, longer, prolonging=True)["step"] == 4
    with pytest.raises(CheckpointError, match="num_train_epochs is 2 there and 3 here. Its learning rates follow"):
        read_checkpoint(folder, longer)
    longer["arguments"]["learning_rate"] = 0.2
    with pytest.raises(CheckpointError, match="arguments.learning_rate is 0.1 there and 0.2 here. It goes on with"):
        read_checkpoint(folder, longer, prolonging=True)


def test_files_of_a_checkpoint_are_readable_like_others(tmp_path):
    folder = write(tmp_path, 4, save_states=lambda folder: save_file({"a": torch.ones(2)}, folder / "a.safetensors"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes["a.safetensors"] == modes["run_state.json"]
