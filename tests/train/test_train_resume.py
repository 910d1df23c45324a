"""Runs that are killed, resumed, damaged or mixed up, launched as a user launches them."""

import json
import random
import shutil
import signal

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.launch import run
from tests.helpers.training_runs import log_entries, write_faces, write_recipe

KILLED_AT = random.Random(7).randrange(8, 12)  # optimiser steps, of 12
# A run that is killed, with its data loading worker: while it writes the checkpoint of a step, or after its log entry.
KILLED = """
import os, signal, sys
import train
from grefel_train.run import checkpoints
from grefel_train.run.log import TrainingLog

_, what, step, *words = sys.argv
describe, write = checkpoints.describe, TrainingLog.write

def die():
    os.killpg(0, signal.SIGKILL)

def describe_and_die(path):
    if (what, path.parent.name) == ("checkpoint", f"checkpoint-{step}.partial"):
        die()
    return describe(path)

def write_and_die(log, group, epoch, at, figures):
    write(log, group, epoch, at, figures)
    if (what, str(at)) == ("log", step):
        die()

checkpoints.describe, TrainingLog.write = describe_and_die, write_and_die
train.main(train.parse_args(words))
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A run that draws on every source of randomness: refinement, crops, augmentation, mixup, dropout."""
    folder = tmp_path_factory.mktemp("data")
    recipe = write_recipe(
        folder / "tiny.yaml",
        per_device_train_batch_size=8,
        dataloader_num_workers=1,
        refinement=True,
        pool_per_group=40,
        samples_per_class=16,
        resize_size=72,
        mixup_alpha=0.4,
        checkpointing_steps=3,
        seed=5,
    )
    faces = write_faces(folder / "faces", 60)
    return ["train/train.py", "--config", recipe, "--train_dir", faces, "--validation_fraction", 0.2]


@pytest.fixture(scope="module")
def uninterrupted(words, tmp_path_factory):
    """Its sets of names have another order than those of the others."""
    out = tmp_path_factory.mktemp("uninterrupted")
    done = run(*words, "--output_dir", out, PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def resumed(words, tmp_path_factory):
    """Killed while it writes its second checkpoint, killed again after some step, and resumed each time."""
    out = tmp_path_factory.mktemp("resumed")
    words = [*words, "--output_dir", out, "--resume_from_checkpoint", "latest"]
    for place in (("checkpoint", 6), ("log", KILLED_AT)):
        assert run("-c", KILLED, *place, *words[1:]).returncode == -signal.SIGKILL
    assert (out / "checkpoint-6").exists() and not (out / "checkpoint-12").exists()
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return out


def without_time(entries):
    return [{k: v for k, v in entry.items() if k not in ("seconds", "images_per_second")} for entry in entries]


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(uninterrupted, resumed):
    for file in ("best/model.safetensors", "checkpoint-12/model.safetensors"):
        one, other = load_file(uninterrupted / file), load_file(resumed / file)
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    average, same_average = (torch.load(out / "checkpoint-12" / "average.pt") for out in (uninterrupted, resumed))
    assert average["updates"] == same_average["updates"] == 12
    assert all(map(torch.equal, average["tensors"], same_average["tensors"]))
    one, other = (torch.load(out / "checkpoint-12" / "optimizer.bin")["state"] for out in (uninterrupted, resumed))
    assert all(torch.equal(one[index][name], other[index][name]) for index in one for name in one[index])


def test_a_killed_run_leaves_the_records_of_one_that_was_not(uninterrupted, resumed):
    for evaluations in (False, True):
        one, other = (without_time(log_entries(out, evaluations)) for out in (uninterrupted, resumed))
        assert one == other
    assert [entry["step"] for entry in log_entries(resumed)] == list(range(1, 13))
    best, same_best = (json.loads((out / "all_results.json").read_text())["best"] for out in (uninterrupted, resumed))
    assert best == same_best == json.loads((resumed / "best_metrics.json").read_text())
    origin = json.loads((resumed / "origin.json").read_text())
    assert [note["step"] for note in origin["resumed"]] == [3, KILLED_AT // 3 * 3]


def test_old_and_broken_off_checkpoints_are_gone(resumed):
    assert sorted(path.name for path in resumed.glob("checkpoint-*")) == ["checkpoint-12", "checkpoint-9"]


def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_offered(words, uninterrupted, tmp_path):
    out = tmp_path / "damaged"
    shutil.copytree(uninterrupted, out)
    file = out / "checkpoint-12" / "optimizer.bin"
    file.write_bytes(file.read_bytes()[:-1])
    done = run(*words, "--output_dir", out, "--resume_from_checkpoint", "latest")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert f"{file.parent} is damaged: optimizer.bin has" in done.stderr
    assert f"--resume_from_checkpoint {out / 'checkpoint-9'}" in done.stderr
