"""What a run was made with: command, commit, versions."""

import importlib.metadata
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from grefel_hf.files import write_text
from grefel_train.run.arguments import secret_options

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "numpy", "pillow", "safetensors")


def provenance() -> dict[str, Any]:
    """
    `command`, `commit`, `uncommitted_changes` (None outside of a git repository) and the version of each package.

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
        **versions,
    }


def git(*arguments: str) -> str | None:
    """What git prints, or None where it or its repository is missing."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run_origin(output_dir: Path, resumed_at: int) -> dict[str, Any]:
    """
    What the run was started with. It is kept in origin.json, as the working tree may move on before it is resumed.

    Args:
        resumed_at: optimiser steps at which the run is resumed, 0 for its start. Each resumption is noted with its
            command and commit.
    """
    file = output_dir / "origin.json"
    now = provenance()
    origin = json.loads(file.read_text()) if resumed_at and file.exists() else now
    if resumed_at:
        note = {"step": resumed_at, **{k: now[k] for k in ("command", "commit", "uncommitted_changes")}}
        origin.setdefault("resumed", []).append(note)
    write_text(file, json.dumps(origin, indent=2) + "\n")
    return origin
