"""Training and evaluation, launched as a user launches them, on a tiny model and made-up faces."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, tiny_config
from ferplus_files import write_ferplus
from safetensors.torch import load_file

from fit_anchors import class_centers, spread
from grefel_hf import GReFELForImageClassification

LAUNCH = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no"]


def run(*arguments) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=REPOSITORY, env=env, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def ferplus(tmp_path_factory):
    """Faces whose brightness is their emotion; 64 to train on, 24 to validate."""
    folder = tmp_path_factory.mktemp("ferplus")
    for split, count in (("train", 64), ("validation", 24)):
        write_ferplus(folder, split, 10 * np.eye(10, dtype=np.int8)[np.arange(count) % 8], seed=count)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The tiny model's config as a recipe."""
    kept = ("image_size", "image_backbone_size", "landmark_backbone_size", "window_sizes", "hidden_size")
    kept += ("intermediate_size", "num_attention_heads", "classifier_hidden_size", "num_anchors")
    config = tiny_config()
    model = {name: getattr(config, name) for name in kept}
    model["window_sizes"] = list(model["window_sizes"])
    file = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    settings = {"model": model, "per_device_train_batch_size": 16, "num_train_epochs": 2, "learning_rate": "3e-3"}
    settings |= {"dataloader_num_workers": 0, "ema_decay": 0.5, "logging_steps": 1, "backbone_learning_rate": 1e-3}
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.fixture(scope="module")
def trained(ferplus, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    done = run(
        *LAUNCH, "train/train.py", "--config", recipe, "--dataset_dir", ferplus, "--output_dir", out, "--seed", 3
    )
    assert done.returncode == 0, done.stderr
    return out


def test_training_leaves_a_model_a_log_and_results(trained):
    model = GReFELForImageClassification.from_pretrained(trained / "best")
    assert model.config.id2label[7] == "contempt" and model.dtype == torch.float32
    assert load_file(trained / "best" / "model.safetensors")["anchors.positions"].dtype == torch.float16
    entries = [json.loads(line) for line in (trained / "training_log.jsonl").read_text().splitlines()]
    steps = [entry for entry in entries if "step" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, 9))
    assert all(entry["loss"] > 0 and entry["anchor_loss"] >= 0 for entry in steps)
    results = json.loads((trained / "all_results.json").read_text())
    assert results["args"]["seed"] == 3 and results["args"]["learning_rate"] == 3e-3
    assert results["best"]["corrected"]["samples"] == 24 and len(results["commit"]) in (7, 40)


def test_resuming_ends_with_the_same_weights(ferplus, recipe, trained, tmp_path):
    command = [*LAUNCH, "train/train.py", "--config", recipe, "--dataset_dir", ferplus, "--seed", 3]
    # The schedule is that of two epochs; the run only stops after one.
    done = run(*command, "--output_dir", tmp_path, "--stop_after_epoch", 1)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.glob("checkpoint-*")] == ["checkpoint-epoch-1"]
    done = run(*command, "--output_dir", tmp_path, "--resume_from_checkpoint", "latest")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.glob("checkpoint-*")] == ["checkpoint-epoch-2"]
    for name in ("model.safetensors", "custom_checkpoint_0.pkl"):
        one, other = (folder / "checkpoint-epoch-2" / name for folder in (trained, tmp_path))
        if name.endswith("safetensors"):
            one, other = load_file(one), load_file(other)
        else:
            one, other = torch.load(one), torch.load(other)
        assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_the_schedule_counts_optimiser_steps(ferplus, recipe, tmp_path):
    command = [*LAUNCH, "train/train.py", "--config", recipe, "--dataset_dir", ferplus, "--output_dir", tmp_path]
    done = run(*command, "--gradient_accumulation_steps", 2)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in (tmp_path / "training_log.jsonl").read_text().splitlines()]
    rates = [entry["learning_rate"] for entry in entries if "step" in entry]
    # Two epochs of four batches: a cosine over four steps. Stepped at every batch it would be over after two.
    assert rates == pytest.approx([3e-3 * (1 + math.cos(math.pi * step / 4)) / 2 for step in (1, 2, 3, 4)], abs=1e-6)


def test_evaluation_repeats_what_training_measured(ferplus, trained, tmp_path):
    out = tmp_path / "metrics.json"
    done = run("train/evaluate.py", "--model", trained / "best", "--dataset_dir", ferplus, "--output", out)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(out.read_text())
    best = json.loads((trained / "best_metrics.json").read_text())
    # The saved weights are rounded to half precision.
    assert metrics["plain"]["corrected"]["accuracy"] == pytest.approx(best["corrected"]["accuracy"], abs=0.05)
    assert metrics["plain"]["without_duplicates"]["corrected"]["samples"] == 24
    assert set(metrics["plain"]["corrected"]["recall_by_class"]) >= {"neutral", "contempt"}


def test_placing_the_anchors_moves_nothing_else(ferplus, trained, tmp_path):
    arguments = ["--model", trained / "best", "--dataset_dir", ferplus, "--output_dir", tmp_path / "placed"]
    done = run("train/fit_anchors.py", *arguments, "--steps", 20, "--batch_size", 32)
    assert done.returncode == 0, done.stderr
    before = load_file(trained / "best" / "model.safetensors")
    after = load_file(tmp_path / "placed" / "model.safetensors")
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["anchors.positions"]
    report = json.loads((tmp_path / "placed" / "all_results.json").read_text())["anchors"]
    config = GReFELForImageClassification.from_pretrained(tmp_path / "placed").config
    assert config.anchor_temperature == report["temperature"] != 1.0
    # On embeddings that tell the classes apart, near anchors must say more than the far ones of the first stage.
    assert report["mean_geometric_confidence"] > 0.1
    assert str(ferplus) not in (tmp_path / "placed" / "all_results.json").read_text()


def test_class_centers_and_their_spread_by_hand():
    embedding = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert class_centers(embedding, labels, count=1, seed=0)[:, 0].tolist() == [[0.0, 1.0], [4.0, 1.0]]
    centers = class_centers(embedding, labels, count=2, seed=0)
    assert sorted(centers[0].tolist()) == [[0.0, 0.0], [0.0, 2.0]]
    assert spread(centers) == pytest.approx(16 / 2)
    with pytest.raises(ValueError, match="--samples"):
        class_centers(embedding, labels, count=3, seed=0)


@pytest.mark.parametrize(
    ("recipe_text", "flags", "message"),
    [
        ("no_such_flag: 1", [], "no_such_flag"),
        ("model: {num_anchors: 0}", [], "num_anchors"),
        ("", ["--dataset_dir", "nowhere"], "nowhere"),
        ("", ["--image_backbone", "nothing.safetensors"], "nothing.safetensors"),
    ],
)
def test_bad_input_ends_with_a_message(ferplus, tmp_path, recipe_text, flags, message):
    (tmp_path / "recipe.yaml").write_text(recipe_text)
    common = ["--config", tmp_path / "recipe.yaml", "--dataset_dir", ferplus, "--output_dir", tmp_path / "out"]
    done = run("train/train.py", *common, *flags)
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr
