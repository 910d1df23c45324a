"""What train.py needs for a short run, a tiny model and folders of made-up faces, and what it logs."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.helpers.tiny import tiny_config

CLASSES = ("anger", "happiness", "neutral")
SIZES = ("mobilefacenet_channels", "mobilefacenet_depths", "fusion_channels", "window_sizes")
MODEL_ENTRIES = ("image_size", "image_backbone_size", "landmark_backbone_size", "hidden_size", "intermediate_size")
MODEL_ENTRIES += ("num_attention_heads", "classifier_hidden_size", "num_anchors")


def write_faces(folder: Path, count: int, classes: tuple[str, ...] = CLASSES) -> Path:
    """An imagefolder of `count` faces 48 pixels wide: noise that a mirror does not change, as bright as its class."""
    random = np.random.default_rng(count)
    for index in range(count):
        label = index % len(classes)
        left = (60 * label + random.integers(0, 60, (48, 24, 3))).astype(np.uint8)
        file = folder / classes[label] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate([left, left[:, ::-1]], 1)).save(file)
    return folder


def write_recipe(file: Path, **settings) -> Path:
    """The tiny model's config as a recipe, with flags that keep a run short."""
    config = tiny_config()
    model = {name: getattr(config, name) for name in MODEL_ENTRIES}
    model |= {name: list(getattr(config, name)) for name in SIZES}
    defaults = {"model": model, "num_train_epochs": 2, "learning_rate": "3e-3", "backbone_learning_rate": 1e-3}
    defaults |= {"per_device_train_batch_size": 16, "dataloader_num_workers": 0, "ema_decay": 0.5, "logging_steps": 1}
    file.write_text(yaml.safe_dump(defaults | settings))
    return file


def log_entries(output_dir: Path, evaluations: bool = False) -> list[dict]:
    """What the log says of training steps, or of evaluations."""
    entries = [json.loads(line) for line in (output_dir / "training_log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if ("corrected" in entry) == evaluations]
