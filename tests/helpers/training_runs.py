"""Launching train.py as a user does, on a tiny model and folders of made-up faces."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.helpers import REPOSITORY
from tests.helpers.tiny import tiny_config

CLASSES = ("anger", "happiness", "neutral")
SIZES = ("mobilefacenet_channels", "mobilefacenet_depths", "fusion_channels", "window_sizes")
MODEL_ENTRIES = ("image_size", "image_backbone_size", "landmark_backbone_size", "hidden_size", "intermediate_size")
MODEL_ENTRIES += ("num_attention_heads", "classifier_hidden_size", "num_anchors")


# The answers to `accelerate config` that README gives for FSDP.
SHARDED = """--use_fsdp --fsdp_version 2 --fsdp_reshard_after_forward true --fsdp_offload_params false
--fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP --fsdp_transformer_layer_cls_to_wrap GReFELCrossFusion,GReFELLayer
--fsdp_state_dict_type SHARDED_STATE_DICT --fsdp_cpu_ram_efficient_loading false""".split()


def command(*arguments, processes: int = 0, sharded: bool = False) -> list[str]:
    """
    A Python script with its arguments; by `accelerate launch` where a number of processes is given, under FSDP 2
    where they are `sharded`.
    """
    launcher = ["-m", "accelerate.commands.launch", "--num_machines", "1", "--num_processes", processes]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    # `--cpu` starts one process, whatever number is given (MPI aside). The launcher for GPUs starts several, and
    # ACCELERATE_USE_CPU puts them on the CPU.
    several = SHARDED if sharded else ["--multi_gpu"]
    launcher += [*several, "--main_process_port", "0"] if processes > 1 else ["--cpu"]
    return [sys.executable, *map(str, launcher if processes else []), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "ACCELERATE_USE_CPU": "true"}


def run(*arguments, processes: int = 0, sharded: bool = False, **variables: str) -> subprocess.CompletedProcess:
    """Run `command` to its end, with these environment variables too."""
    words = command(*arguments, processes=processes, sharded=sharded)
    return subprocess.run(words, cwd=REPOSITORY, env=environment() | variables, capture_output=True, text=True)


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


def run_program(program: str, cases: dict | list) -> subprocess.CompletedProcess:
    """Python code that imports train.py, in a process of its own, with its cases as JSON in sys.argv[1]."""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(cases)],
        cwd=REPOSITORY,
        env=environment() | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'train'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done
