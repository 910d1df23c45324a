"""Scaling the branches' confidence: what is fitted, and that the weights then say what was fitted."""

import json
import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

import calibrate
from calibrate import change_branches, fit_scales, main, parse_args, rare_class_biases, run_network, scaled
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from tests.helpers.launch import run
from tests.helpers.tiny import tiny_config


def faces(count: int) -> Dataset:
    """Plain faces whose brightness is their class."""
    images = [Image.new("L", (48, 48), 40 + 60 * (i % 3)) for i in range(count)]
    return Dataset.from_dict({"image": images, "label": [i % 3 for i in range(count)]})


@pytest.mark.parametrize("switches", [{}, {"learn_anchor_temperature": True}, {"use_anchors": False}])
def test_the_weights_say_what_the_scales_promise(switches):
    torch.manual_seed(0)
    model = GReFELForImageClassification(tiny_config(**switches)).eval()
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    found = run_network(model, processor, faces(6))
    temperature = 1.0 if model.anchors is None else torch.as_tensor(model.anchors.temperature).detach()
    pixel_values = processor(faces(6)["image"][:], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        before = model(pixel_values).logits.softmax(-1)
    assert torch.allclose(scaled(found, temperature, torch.ones(3), torch.zeros(3)), before, atol=1e-5)
    scales, biases = torch.tensor([2.0, 3.0, 0.5]), torch.tensor([0.0, 1.5, 0.5])
    promised = scaled(found, temperature, scales, biases)
    change_branches(model, scales, biases)
    with torch.no_grad():
        after = model(pixel_values).logits.softmax(-1)
    assert torch.allclose(after, promised, atol=1e-5) and not torch.allclose(after, before, atol=1e-3)
    if "learn_anchor_temperature" not in switches and model.anchors is not None:
        assert model.config.anchor_temperature == pytest.approx(1 / 3)


def test_underconfident_branches_become_surer():
    torch.manual_seed(0)
    # Nine answers of ten are right, each given with probability 0.42 of three classes.
    labels = torch.arange(300) % 3
    answers = torch.where(torch.arange(300) % 10 == 0, (labels + 1) % 3, labels)
    logs = (0.37 * torch.nn.functional.one_hot(answers, 3).float()).log_softmax(-1)
    found = {"primary": logs, "attentive": logs, "labels": torch.nn.functional.one_hot(labels, 3).float()}
    scales = fit_scales(found, 1.0)
    assert scales[1] == 1.0  # there are no anchors
    confidence = scaled(found, 1.0, scales, torch.zeros(3)).amax(-1).mean().item()
    assert confidence == pytest.approx(0.9, abs=0.02)


def test_biases_bring_the_shares_of_rare_classes_up_to_the_floor():
    ids = np.repeat([0, 1, 2], [900, 96, 4])
    assert torch.equal(rare_class_biases(ids, 3, 0.0), torch.zeros(3))
    biases = rare_class_biases(ids, 4, 0.05)  # of the fourth class there is no image
    assert torch.allclose(biases, torch.tensor([0, 0, 0.05 / 0.004, 0.05 / 0.001]).clamp_min(1).log())
    # Where nothing is seen of a face the answer is the prior, and that is the population's, but for its sum.
    prior = torch.tensor([0.9, 0.096, 0.004])
    assert torch.allclose(prior * biases[:3].exp(), torch.tensor([0.9, 0.096, 0.05]))


def test_the_script_refuses_in_words_and_a_second_floor(tmp_path, monkeypatch):
    model = GReFELForImageClassification(tiny_config())
    model.save_pretrained(tmp_path / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    for split in ("train", "validation"):
        for name, grey in (("neutral", 40), ("happiness", 120), ("surprise", 200)):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(8 if name == "neutral" else 4):
                Image.new("L", (48, 48), grey + i).save(tmp_path / split / name / f"{i}.png")
    data = ["--train_dir", tmp_path / "train", "--validation_dir", tmp_path / "validation"]
    common = ["train/calibrate.py", "--model", tmp_path / "model", "--output_dir", tmp_path / "out", *data]
    done = run(*common)
    assert done.returncode != 0 and "--calibration_fraction" in done.stderr and "Traceback" not in done.stderr
    done = run(*common, "--calibration_fraction", 0.5, "--least_class_share", 1)
    assert done.returncode != 0 and "a share is below 1" in done.stderr
    done = run(*common, "--calibration_fraction", 0.5, "--least_class_share", 0.3)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["samples"] == 8 and set(report["scales"]) == {"primary", "geometric", "attentive"}
    rare = math.log(0.3 / 0.25)
    assert report["biases"] == pytest.approx({"happiness": rare, "neutral": 0.0, "surprise": rare}, abs=1e-4)
    assert "nothing tells whether these images were kept out" in done.stderr

    def refusal(*words) -> str:
        with pytest.raises(SystemExit) as error:
            main(parse_args([str(word) for word in (*common[1:], "--calibration_fraction", 0.5, *words)]))
        return str(error.value)

    weights = (tmp_path / "out/model.safetensors").read_bytes()
    assert "each of 3 classes can have 0.333" in refusal("--least_class_share", 0.4)
    assert "add --overwrite_output_dir" in refusal()
    third = ["--model", tmp_path / "out", "--output_dir", tmp_path / "third"]
    assert "a least share already" in refusal(*third)
    assert not (tmp_path / "third").exists() and (tmp_path / "out/model.safetensors").read_bytes() == weights
    right = torch.eye(3)[torch.arange(8) % 3]  # scales of any size would be better still
    monkeypatch.setattr(calibrate, "run_network", lambda *_: {"primary": right.log_softmax(-1), "labels": right})
    assert "right on all 8 images" in refusal("--output_dir", tmp_path / "third")
    assert not (tmp_path / "third").exists()
    calibrated = GReFELForImageClassification.from_pretrained(tmp_path / "out")
    assert not torch.equal(calibrated.primary_head.output.weight, model.primary_head.output.weight)
