"""Classifiers side by side: the figures of made-up distributions, and the script on made-up faces."""

import json

import numpy as np
import pytest
import torch

from compare_classifiers import divergence, measure
from grefel_train.data.adapters.ferplus import EMOTIONS
from grefel_train.run.teachers import ExpressionClassifier, save_classifier
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.launch import run


def test_divergence_is_nothing_for_the_votes_at_any_temperature():
    votes = torch.tensor([[0.8, 0.2], [0.6, 0.4]])
    assert divergence(votes, votes) == pytest.approx(0, abs=1e-5)
    assert divergence(votes.pow(0.8) / votes.pow(0.8).sum(-1, keepdim=True), votes) == pytest.approx(0, abs=1e-3)
    assert divergence(votes.flip(-1), votes) > 0.1


def test_the_mirror_image_may_decide_and_images_without_a_majority_are_left_out():
    single = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    mirrored = torch.tensor([[0.1, 0.9], [0.3, 0.7], [0.9, 0.1]])
    votes = torch.tensor([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5]])
    found = measure(torch.stack([single, mirrored]), votes)
    assert (found["samples"], found["accuracy"], found["mirrored_accuracy"]) == (2, 0.5, 1.0)
    assert "divergence" in found and "divergence" not in measure(
        torch.stack([single, mirrored]), torch.tensor([1, 1, 0])
    )


def test_classifiers_are_measured_alone_and_together(tmp_path):
    votes = 10 * np.eye(10, dtype=np.int8)[np.arange(64) % 8]
    for split in ("train", "validation"):
        write_ferplus(tmp_path, split, votes)
    files = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = ExpressionClassifier(8)
        torch.nn.init.normal_(network.classifier.weight)
        files.append(tmp_path / f"{seed}.safetensors")
        save_classifier(files[-1], network.state_dict(), EMOTIONS)
    words = ["train/compare_classifiers.py", "--dataset_dir", tmp_path, "--calibration_fraction", 0.25]
    out = tmp_path / "out.json"
    done = run(*words, *files, "--image_size", 32, "--output", out)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report == json.loads(done.stdout) and set(report) == {"validation", "kept_out"}
    assert {name: len(rows) for name, rows in report.items()} == {"validation": 3, "kept_out": 3}
    assert report["validation"]["together"]["samples"] == 64 and report["kept_out"][str(files[0])]["samples"] == 16
    done = run(*words, tmp_path / "none.safetensors")
    assert done.returncode and "Cannot compare" in done.stderr and "Traceback" not in done.stderr
