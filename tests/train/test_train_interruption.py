"""Runs that are asked to stop: they save, say how to go on, and end as if they had never been stopped."""

import json
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import REPOSITORY
from tests.helpers.launch import environment, launch_command, run
from tests.helpers.training_runs import log_entries, write_faces, write_recipe

# Each case is a run in this process, to which a signal is sent after a log entry; one process, as a start takes long.
PROGRAM = """
import json, os, signal, sys
import train
from grefel_train.run.log import TrainingLog

write = TrainingLog.write
asked = {}

def write_and_signal(log, group, epoch, step, figures):
    write(log, group, epoch, step, figures)
    if asked.get("at") == [group, step]:
        os.kill(os.getpid(), asked["signal"])

TrainingLog.write = write_and_signal
from grefel_train.run import interruption
interruption.AT_ONCE_AFTER = 0
endings = []
for case in json.loads(sys.argv[1]):
    asked = case
    try:
        train.main(train.parse_args(case["words"]))
        endings.append(0)
    except SystemExit as end:
        endings.append(end.code)
    sys.stderr.flush()
    print("-----", file=sys.stderr, flush=True)
print(json.dumps(endings))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that is not stopped, and one that is stopped three times: in an epoch, at its end, and in the evaluation."""
    folder = tmp_path_factory.mktemp("interruption")
    faces = write_faces(folder / "faces", 60)
    recipe = write_recipe(folder / "tiny.yaml", per_device_train_batch_size=12, mixup_alpha=0.4)
    words = [*map(str, ["--config", recipe, "--train_dir", faces, "--validation_fraction", 0.2])]
    words += ["--checkpointing_steps", "100"]
    whole, stopped = folder / "whole", folder / "stopped"
    again = [*words, "--output_dir", str(stopped), "--resume_from_checkpoint", "latest"]
    cases = [
        {"words": [*words, "--output_dir", str(whole)]},
        {"words": again, "at": ["train", 2], "signal": signal.SIGTERM},
        {"words": again, "at": ["train", 4], "signal": signal.SIGUSR1},
        {"words": again, "at": ["train", 7], "signal": signal.SIGINT},
        {"words": again},
    ]
    done = run("-c", PROGRAM, json.dumps(cases))
    assert done.returncode == 0, done.stderr
    return whole, stopped, json.loads(done.stdout.splitlines()[-1]), done.stderr.split("-----")


def test_a_stopped_run_says_how_to_go_on(runs):
    _, stopped, endings, said = runs
    assert endings == [0, 128 + signal.SIGTERM, 128 + signal.SIGUSR1, 128 + signal.SIGINT, 0]
    for words, name, step in zip(said[1:4], ("SIGTERM", "SIGUSR1", "SIGINT"), (2, 4, 7)):
        last = words.strip().splitlines()[-1]
        assert last.startswith(f"The run was stopped by {name} and saved {stopped / f'checkpoint-{step}'}."), words
        assert "--resume_from_checkpoint latest" in last and "Traceback" not in words


def test_a_stopped_run_ends_with_the_weights_and_records_of_one_that_was_not(runs):
    whole, stopped = runs[:2]
    one, other = (load_file(out / "best" / "model.safetensors") for out in (whole, stopped))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    for evaluations in (False, True):
        first, same = (log_entries(out, evaluations) for out in (whole, stopped))
        times = ("seconds", "images_per_second")
        assert [{k: v for k, v in e.items() if k not in times} for e in first] == [
            {k: v for k, v in e.items() if k not in times} for e in same
        ]
    assert len(log_entries(stopped, evaluations=True)) == 2


def test_the_end_of_the_launcher_is_the_trainers_too(tmp_path):
    recipe = write_recipe(tmp_path / "tiny.yaml", num_train_epochs=500, dataloader_num_workers=1)
    words = ["train/train.py", "--config", recipe, "--train_dir", write_faces(tmp_path / "faces", 60)]
    words += ["--output_dir", tmp_path / "out"]
    with (tmp_path / "said").open("w") as said:
        launcher = subprocess.Popen(launch_command(*words), cwd=REPOSITORY, env=environment(), stdout=said, stderr=said)
        log = tmp_path / "out" / "training_log.jsonl"
        while launcher.poll() is None and not (log.exists() and log.stat().st_size):
            time.sleep(0.05)
        launcher.terminate()
        launcher.wait()
        end = time.monotonic() + 120
        while "The run was stopped by the end of its launcher" not in (tmp_path / "said").read_text():
            assert time.monotonic() < end, (tmp_path / "said").read_text()
            time.sleep(0.1)
    assert list((tmp_path / "out").glob("checkpoint-*"))
    steps = len(log_entries(tmp_path / "out"))
    time.sleep(1)
    assert len(log_entries(tmp_path / "out")) == steps < 1000
