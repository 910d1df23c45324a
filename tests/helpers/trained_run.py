"""The folder of a training run with a tiny model, as train/train.py leaves it, for tests of what is pushed."""

import copy
import json
from pathlib import Path

import torch

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from tests.helpers.tiny import tiny_config

SECRET = "hf_aTokenThatNobodyMayRead"
MACHINE = "/home/somebody"
BEST = {
    "epoch": 2,
    "primary": {"accuracy": 0.5, "macro_recall": 0.4, "expected_calibration_error": 0.3, "samples": 1200},
    "corrected": {"accuracy": 0.62504, "macro_recall": 0.5, "expected_calibration_error": 0.2, "samples": 1200},
}
RESULTS = {
    "best": BEST,
    "seconds": 90.0,
    "args": {
        "config": f"{MACHINE}/recipes/mine.yaml",
        "dataset_name": None,
        "train_dir": f"{MACHINE}/my faces/train",
        "validation_dir": f"{MACHINE}/my faces/validation",
        "output_dir": f"{MACHINE}/runs/first",
        "size": "small",
        "image_backbone": "train/weights/mobilefacenet-ms1m.safetensors",
        "learning_rate": 5e-4,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 16,
        "max_train_steps": None,
        "seed": 7,
        "model": {"classifier_dropout": 0.2},
        "push_to_hub": True,
        "hub_model_id": "user/grefel",
        "hub_token": SECRET,
    },
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "torch": "2.13.0",
}
LOG = [
    {"seconds": 1.0, "epoch": 1, "loss": 2.5},
    {"seconds": 2.0, "skipped": f"{MACHINE}/my faces/train/joy/1.jpg", "reason": f"cannot read {MACHINE}/1.jpg: bad"},
]


def results(**changed) -> dict:
    """all_results.json with other arguments."""
    made = copy.deepcopy(RESULTS)
    made["args"].update(changed)
    return made


def write_run(folder: Path) -> Path:
    """Write the run into the folder; gives the checkpoint `best` in it, in half precision as train.py keeps it."""
    best = folder / "best"
    torch.manual_seed(0)
    model = GReFELForImageClassification(tiny_config())
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    model.save_pretrained(best, state_dict=state)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(best)
    (folder / "all_results.json").write_text(json.dumps(RESULTS))
    lines = "".join(json.dumps(entry) + "\n" for entry in LOG)
    (folder / "training_log.jsonl").write_text(lines + '{"seconds": 3.0, "lo')  # killed while it wrote
    return best
