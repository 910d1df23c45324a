"""Two processes on the CPU do what one does, with whole weights each and under FSDP 2."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import launch
from tests.helpers.training_runs import log_entries, write_faces, write_recipe

STEPS = 4


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """
    Folder, and for 1 and 2 processes the flags of runs over the same batches, whole and cut in halves.

    What depends on the process or on its batch is away: batch norm and dropout are frozen, and augmentation does
    nothing but mirror faces that a mirror does not change.
    """
    folder = tmp_path_factory.mktemp("processes")
    train, validation = write_faces(folder / "train", 33), write_faces(folder / "validation", 21)
    words = {}
    for processes in (1, 2):
        recipe = write_recipe(
            folder / f"tiny{processes}.yaml",
            per_device_train_batch_size=16 // processes,
            per_device_eval_batch_size=4,
            freeze_modules=["grefel.pyramid.image_backbone", "primary_head"],
            augmentation_strength=0,
            eval_on_start=True,
        )
        words[processes] = ["--config", recipe, "--train_dir", train, "--validation_dir", validation]
    return folder, words


@pytest.fixture(scope="module")
def one(recipes):
    return train(recipes, "one", processes=1)


@pytest.fixture(scope="module", params=["replicated", "sharded"])
def two(recipes, request):
    return train(recipes, request.param, processes=2, sharded=request.param == "sharded")


def train(recipes, name: str, processes: int, sharded: bool = False, resume: bool = False) -> Path:
    folder, words = recipes
    out = folder / name
    flags = ["--resume_from_checkpoint", "latest"] if resume else []
    words = ["train/train.py", *words[processes], "--output_dir", out, *flags]
    if sharded:  # accelerate never shards on a CPU by itself
        done = launch.launch("tests/helpers/fsdp_on_cpu.py", *words, processes=processes, sharded=True)
    else:
        done = launch.run(*words, processes=processes)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "all_results.json").read_text())["processes"] == processes
    return out


def test_the_same_weights_have_the_same_metrics(one, two):
    first, same = (log_entries(out, evaluations=True)[0] for out in (one, two))
    assert first["step"] == same["step"] == 0
    for name in ("primary", "corrected"):
        assert first[name]["samples"] == same[name]["samples"] == 21
        assert first[name] == pytest.approx(same[name], abs=1e-6)


def test_training_is_the_same(one, two):
    first, same = log_entries(one), log_entries(two)
    assert [entry["step"] for entry in first] == [entry["step"] for entry in same] == list(range(1, STEPS + 1))
    for name in ("loss", "classification_loss", "center_loss", "corrected_confidence", "learning_rate"):
        assert [entry[name] for entry in first] == pytest.approx([entry[name] for entry in same], rel=1e-3), name
    assert first[0]["loss"] != pytest.approx(first[-1]["loss"], rel=1e-2)  # it moved
    last, last_of_two = (log_entries(out, evaluations=True)[-1] for out in (one, two))
    assert last["corrected"] == pytest.approx(last_of_two["corrected"], abs=1e-3)


def test_best_weights_are_those_of_one_process(one, two):
    whole, gathered = (load_file(out / "best" / "model.safetensors") for out in (one, two))
    assert whole.keys() == gathered.keys()
    for name, value in whole.items():
        assert torch.allclose(value.float(), gathered[name].float(), atol=2e-3), name


def test_shards_resume(recipes, two):
    if two.name != "sharded":
        pytest.skip("resuming whole weights is tested in test_train_resume.py")
    before = log_entries(two)
    assert len(list((two / f"checkpoint-{STEPS}").glob("**/*.distcp"))) > 1, "the checkpoint is not in shards"
    shutil.rmtree(two / f"checkpoint-{STEPS}")
    train(recipes, "sharded", processes=2, sharded=True, resume=True)
    again = log_entries(two)  # what the lost checkpoint had seen was cut off the log
    assert [entry["step"] for entry in again] == list(range(1, STEPS + 1))
    assert again[: STEPS // 2] == before[: STEPS // 2] and again[STEPS // 2 :] != before[STEPS // 2 :]  # other times
    assert [entry["loss"] for entry in again] == pytest.approx([entry["loss"] for entry in before], rel=1e-4)
