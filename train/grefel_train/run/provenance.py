"""What a run was made with: command, commit, versions."""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.utils import cached_file

from grefel_hf.files import file_digest, write_text
from grefel_hf.hub import WEIGHTS_FILE
from grefel_train.data.adapters import DEFAULT_FORMAT
from grefel_train.data.sources import folder_title
from grefel_train.run.arguments import secret_options

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PACKAGES = ("torch", "transformers", "accelerate", "datasets", "numpy", "pillow", "safetensors")


def provenance() -> dict[str, Any]:
    """
    `command`, `commit`, `uncommitted_changes` (None outside of a git repository), `python`, `hardware`, `threads` and
    the version of each package.

    The command has what is secret taken out.
    """
    words = list(sys.argv)
    for option in secret_options():
        for index, word in enumerate(words):
            if word == option and index + 1 < len(words):
                words[index + 1] = "..."
            elif word.startswith(f"{option}="):
                words[index] = f"{option}=..."
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no") if commit else None
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "command": shlex.join(words),
        "commit": commit or "unknown",
        "uncommitted_changes": None if changes is None else bool(changes),
        "python": platform.python_version(),
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        **versions,
    }


def hardware() -> str:
    """What computes: the GPU or the processor, by name."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M) if cpuinfo.exists() else []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def starting_weights(args: argparse.Namespace) -> dict[str, Any]:
    """
    What a run starts from, by the flag that names it: `sha256` of the weights' file, and for a checkpoint
    `trained_on`, the data of the run that made it and of those before that one (those of `data_of`), where it says so.
    """
    found: dict[str, Any] = {}
    for flag in ("image_backbone", "landmark_backbone"):
        if path := getattr(args, flag):
            found[flag] = {"name": path, "sha256": file_digest(path)}
    if name := args.model_name_or_path:
        weights, record = (
            cached_file(name, file, _raise_exceptions_for_missing_entries=False)
            for file in (WEIGHTS_FILE, "all_results.json")
        )
        if record is None and (Path(name).parent / "all_results.json").exists():  # OUT/best
            record = Path(name).parent / "all_results.json"
        results = read_json(Path(record), must_exist=True) if record else {}
        before = results.get("starting_weights", {}).get("model_name_or_path", {}).get("trained_on", [])
        found["model_name_or_path"] = {
            "name": name,
            "sha256": file_digest(weights) if weights else None,
            "trained_on": list(dict.fromkeys([*before, *([data_of(results["args"])] if "args" in results else [])])),
        }
    return found


def data_of(arguments: Mapping[str, Any]) -> str:
    """The data of a run: the short name of a published set, a Hub id, or the name of a file or folder."""
    if name := arguments.get("dataset_name"):
        return name if is_hub_id(name) else Path(name).name
    if folder := arguments.get("train_dir"):
        return folder_title(folder)
    return arguments.get("dataset_format") or DEFAULT_FORMAT


def is_hub_id(name: str) -> bool:
    return HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def read_json(file: Path, must_exist: bool = False) -> Any:
    """The file's content; None where there is no such file and none was asked for. Names the file in its errors."""
    if not must_exist and not file.exists():
        return None
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error


def git(*arguments: str) -> str | None:
    """What git prints, or None where it or its repository is missing."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run_origin(output_dir: Path, args: argparse.Namespace, resumed_at: int) -> dict[str, Any]:
    """
    What the run was started with. It is kept in origin.json, as working tree and weights may move on before it is
    resumed.

    Args:
        resumed_at: optimiser steps at which the run is resumed, 0 for its start. Each resumption is noted with its
            command and commit.
    """
    file = output_dir / "origin.json"
    now = provenance()
    origin = read_json(file) if resumed_at else None
    origin = origin or now | {"starting_weights": starting_weights(args)}
    if resumed_at:
        note = {"step": resumed_at, **{k: now[k] for k in ("command", "commit", "uncommitted_changes")}}
        origin.setdefault("resumed", []).append(note)
    write_text(file, json.dumps(origin, indent=2) + "\n")
    return origin
