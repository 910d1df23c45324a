"""The paper's model at full size, trained by its recipe from backbones in the layouts that were published."""

import json

import pytest
import torch
from safetensors.torch import load_file

from grefel_hf import GReFELConfig
from tests.helpers import reference_layouts as published
from tests.helpers.launch import run
from tests.helpers.training_runs import write_faces

STEPS = 2
LEARNING_RATE = 3e-4


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """What convert_checkpoint.py makes of random weights of face.evoLVe's IR-50 and the 68-landmark MobileFaceNet."""
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    depths = GReFELConfig.from_size("base").iresnet_depths
    files = {}
    for name, state in {
        "image_backbone": published.random_evolve_ir50(depths),
        "landmark_backbone": published.random_mobilefacenet(),
    }.items():
        torch.save(state, folder / f"{name}.pth")
        done = run("train/convert_checkpoint.py", folder / f"{name}.pth", "--output_dir", folder / name)
        assert done.returncode == 0, done.stderr
        files[name] = folder / name / f"{name}.safetensors"
    return files


def test_base_trains_from_converted_backbones(converted, tmp_path):
    output = tmp_path / "run"
    done = run(
        *["train/train.py", "--config", "train/configs/grefel-base.yaml", "--output_dir", output],
        *["--image_backbone", converted["image_backbone"], "--landmark_backbone", converted["landmark_backbone"]],
        *["--train_dir", write_faces(tmp_path / "faces", 6), "--validation_dir", tmp_path / "faces"],
        *["--per_device_train_batch_size", 2, "--per_device_eval_batch_size", 2, "--dataloader_num_workers", 0],
        *["--max_train_steps", STEPS, "--learning_rate", LEARNING_RATE, "--logging_steps", 1],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses = [entry["loss"] for entry in map(json.loads, (output / "training_log.jsonl").open()) if "loss" in entry]
    assert len(losses) == STEPS and all(map(torch.tensor, losses))

    weights = load_file(output / "best" / "model.safetensors")
    assert sum(value.numel() for value in weights.values()) > 43_800_000
    pyramid = "grefel.pyramid."
    for name, value in load_file(converted["landmark_backbone"]).items():
        saved = weights[f"{pyramid}landmark_backbone.{name}"]
        assert torch.equal(saved, value.to(saved.dtype)), name  # frozen, and saved in half precision
    for name, value in load_file(converted["image_backbone"]).items():
        if value.ndim == 4:
            moved = (weights[f"{pyramid}image_backbone.{name}"].float() - value).abs().max()
            rounding = value.abs().max() * 2**-11
            # Adam moves some weight by about the learning rate in a step, and none further.
            assert 0.5 * LEARNING_RATE < moved < 1.01 * STEPS * LEARNING_RATE + rounding, name
