"""The log of a run, and which trackers it has."""

import json

import pytest
from accelerate import Accelerator

from tracking import TrainingLog, chosen_trackers


def test_a_resumed_log_has_every_step_once(tmp_path):
    file, accelerator = tmp_path / "log.jsonl", Accelerator(cpu=True)
    log = TrainingLog(file, accelerator, 0)
    for step in (1, 2, 3):
        log.write("train", 1, step, {"loss": float(step)})
    with file.open("a") as open_file:
        open_file.write('{"seconds": 9.0, "epoch": 1, "st')  # cut short by a kill

    log = TrainingLog(file, accelerator, 2)
    log.write("train", 1, 3, {"loss": 30.0})
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(entry["step"], entry["loss"]) for entry in entries] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_time_adds_up_over_resumptions(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text('{"seconds": 1000.0, "epoch": 1, "step": 5}\n')
    assert TrainingLog(file, Accelerator(cpu=True), 5).seconds() >= 1000
    assert TrainingLog(file, Accelerator(cpu=True), 0).seconds() < 1000
    assert file.read_text() == ""


def test_trackers_by_name():
    assert chosen_trackers(None, with_tracking=False) == []
    assert chosen_trackers(None, with_tracking=True) == chosen_trackers(["tensorboard"], False) == ["tensorboard"]
    assert "tensorboard" in chosen_trackers(["all"], with_tracking=False)
    with pytest.raises(ValueError, match="pip install trackio"):
        chosen_trackers(["tensorboard", "trackio"], with_tracking=False)
