"""Runs that are killed, resumed, damaged or mixed up, launched as a user launches them."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import REPOSITORY
from tests.helpers.training_runs import command, environment, log_entries, run, write_faces, write_recipe

KILLED_AT = random.Random(7).randrange(8, 12)  # optimiser steps, of 12


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
    out = tmp_path_factory.mktemp("uninterrupted")
    done = run(*words, "--output_dir", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def resumed(words, tmp_path_factory):
    """Killed while it writes its second checkpoint, killed again after some step, and resumed each time."""
    out = tmp_path_factory.mktemp("resumed")
    words = [*words, "--output_dir", out, "--resume_from_checkpoint", "latest"]
    kill_when(words, lambda: (out / "checkpoint-6.partial").exists())
    kill_when(words, lambda: any(entry["step"] == KILLED_AT for entry in whole_log_entries(out)))
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return out


def kill_when(words, condition):
    process = subprocess.Popen(
        command(*words),
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not condition():
        time.sleep(0.001)
    assert process.returncode is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)  # with its data loading worker
    process.wait()


def whole_log_entries(out):
    file = out / "training_log.jsonl"
    return (
        [json.loads(line) for line in file.read_text().splitlines(True) if line.endswith("\n")] if file.exists() else []
    )


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
