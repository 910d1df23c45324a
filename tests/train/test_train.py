"""Training and evaluation, launched as a user launches them, on a tiny model and made-up faces."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.hub_server import WRITE_TOKEN, running_hub
from tests.helpers.launch import launch, run
from tests.helpers.training_runs import log_entries, write_faces, write_recipe
from train import parse_args


@pytest.fixture(scope="module")
def ferplus(tmp_path_factory):
    """Faces whose brightness is their emotion; 64 to train on, 24 to validate."""
    folder = tmp_path_factory.mktemp("ferplus")
    for split, count in (("train", 64), ("validation", 24)):
        write_ferplus(folder, split, 10 * np.eye(10, dtype=np.int8)[np.arange(count) % 8], seed=count)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.yaml")


@pytest.fixture(scope="module")
def trained(ferplus, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    flags = ["--seed", 3, "--report_to", "tensorboard", "--do_grayscale", "--hub_token", "hf_secret"]
    words = ["train/train.py", "--config", recipe, "--dataset_dir", ferplus, "--output_dir", out, *flags]
    done = launch(*words)
    assert done.returncode == 0, done.stderr
    return out


def test_training_leaves_a_model_and_a_log(trained):
    model = GReFELForImageClassification.from_pretrained(trained / "best")
    assert model.config.id2label[7] == "contempt" and model.dtype == torch.float32
    assert load_file(trained / "best" / "model.safetensors")["anchors.positions"].dtype == torch.float16
    assert GReFELImageProcessor.from_pretrained(trained / "best").do_grayscale
    steps = log_entries(trained)
    assert [entry["step"] for entry in steps] == list(range(1, 9))
    assert all(entry["loss"] > 0 and entry["anchor_loss"] >= 0 for entry in steps)
    evaluations = log_entries(trained, evaluations=True)
    assert [(entry["epoch"], entry["step"]) for entry in evaluations] == [(1, 4), (2, 8)]
    assert [path.name for path in sorted(trained.glob("checkpoint-*"))] == ["checkpoint-4", "checkpoint-8"]


def test_results_tell_what_made_them(trained, recipe, ferplus):
    results = json.loads((trained / "all_results.json").read_text())
    assert results["args"]["seed"] == 3 and results["args"]["learning_rate"] == 3e-3
    assert results["best"]["corrected"]["samples"] == 24 and len(results["commit"]) in (7, 40)
    assert results["class_counts"] == dict.fromkeys(results["class_counts"], 8) and len(results["class_counts"]) == 8
    assert results["torch"] == torch.__version__ and "--seed 3" in results["command"]
    assert len(results["data"]["train"]) == 64 and results["data"]["calibration"] is None
    assert results["starting_weights"] == {} and results["python"] and results["threads"] >= 1
    assert not any("hf_secret" in file.read_text() for file in trained.glob("*.*"))
    # The recipe that ran makes the same run again.
    words = ["--output_dir", "elsewhere", "--config", str(trained / "recipe.yaml")]
    again, first = vars(parse_args(words)), results["args"]
    assert {name for name in first if first[name] != again[name]} == {"config", "output_dir"}


def test_trackers_get_every_figure(trained):
    events = EventAccumulator(str(trained / "tracking" / "grefel")).Reload()
    names = {"loss", "classification_loss", "anchor_loss", "center_loss", "learning_rate", "images_per_second"}
    names |= {f"{part}_confidence" for part in ("primary", "geometric", "attentive", "corrected")}
    wanted = {f"train/{name}" for name in names}
    wanted |= {
        f"validation/{part}/{name}" for part in ("primary", "corrected") for name in ("accuracy", "macro_recall")
    }
    assert wanted <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, 9))
    assert [event.step for event in events.Scalars("validation/corrected/accuracy")] == [4, 8]


def test_evaluation_repeats_what_training_measured(ferplus, trained, tmp_path):
    out = tmp_path / "metrics.json"
    flags = ["--model", trained / "best", "--dataset_dir", ferplus, "--resamples", 20, "--output", out]
    done = run("train/evaluate.py", *flags)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(out.read_text())
    best = json.loads((trained / "best_metrics.json").read_text())
    # The saved weights are rounded to half precision.
    assert metrics["plain"]["corrected"]["accuracy"] == pytest.approx(best["corrected"]["accuracy"], abs=0.05)
    assert metrics["plain"]["without_duplicates"]["corrected"]["samples"] == 24
    assert set(metrics["plain"]["corrected"]["recall_by_class"]) >= {"neutral", "contempt"}


def test_fine_tuning_on_a_folder_of_ones_own(trained, tmp_path):
    """
    A checkpoint of other classes, its backbone frozen; no validation; steps of two batches; a broken image of a class
    of which every epoch shows all; pushed at the end.
    """
    faces = write_faces(tmp_path / "faces", 50)
    (faces / "neutral" / "2.png").write_bytes(b"no picture")
    recipe = {
        "model_name_or_path": str(trained / "best"),
        "freeze_image_backbone": True,
        "validation_fraction": 0,
        "gradient_accumulation_steps": 2,
        "gradient_checkpointing": True,
        "optimizer": "adam",
        "lr_scheduler_type": "exponential",
        "lr_decay": 0.5,
        "warmup_steps": 1,
        "label_smoothing": 0.1,
        "class_weighting": "inverse_frequency",
        "resize_size": 72,
        "refinement": True,
        "samples_per_class": 16,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "dataloader_num_workers": 0,
        "logging_steps": 1,
        "ema_decay": 0,
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    out = tmp_path / "out"
    words = ["--config", tmp_path / "recipe.yaml", "--train_dir", faces, "--output_dir", out, "--on_bad_image", "skip"]
    words += ["--push_to_hub", "--hub_model_id", "user/mine", "--hub_token", WRITE_TOKEN]
    with running_hub() as hub:
        done = run("train/train.py", *words, **hub.environment())
        assert done.returncode == 0, done.stderr
        assert f"{hub.url}/user/mine" in done.stdout
        pushed = hub.files("user/mine")
    assert pushed["model.safetensors"] == (out / "best" / "model.safetensors").read_bytes()
    assert {"README.md", "recipe.yaml", "all_results.json", "training_log.jsonl", "modeling_grefel.py"} <= set(pushed)
    assert "Without validation images nothing is measured" in done.stdout
    assert json.loads((out / "all_results.json").read_text())["bad_images"] == 1
    # Six batches an epoch are three optimiser steps; the first step warms up.
    assert [entry["learning_rate"] for entry in log_entries(out)] == [1e-3, 1e-3, 5e-4, 5e-4, 5e-4, 2.5e-4]
    assert json.loads((out / "all_results.json").read_text())["best"] == {"epoch": 2, "step": 6}

    model = GReFELForImageClassification.from_pretrained(out / "best")
    assert list(model.config.id2label.values()) == ["anger", "happiness", "neutral"]
    assert model.config.class_weights == pytest.approx([0.98, 0.98, 1.04], abs=0.01)
    before = load_file(trained / "best" / "model.safetensors")
    after = load_file(out / "best" / "model.safetensors")
    frozen = [name for name in before if "_backbone." in name]
    assert frozen and all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["grefel.gate.squeeze.weight"], after["grefel.gate.squeeze.weight"])
