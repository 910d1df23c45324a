"""
Checkpoints of a run: OUTPUT_DIR/checkpoint-N after N optimiser steps, written whole or not at all.

Each has a run_state.json with where the run stood, the settings that shape its weights, and size and SHA-256 of every
other file. A checkpoint that is damaged, or that belongs to another run, is refused by name.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError

from grefel_hf.files import file_digest, flush, flush_folder, open_files
from grefel_train.run.log import flat
from grefel_train.run.output_dir import plainly

PREFIX = "checkpoint-"
PARTIAL = ".partial"
STATE_FILE = "run_state.json"
FORMAT = "grefel_hf train.py 1"
LENGTH = ("arguments.num_train_epochs", "arguments.max_train_steps")
WHY_NOT_PROLONGED = (
    "Its learning rates follow from how many steps are planned; a run can be made longer under --lr_scheduler_type "
    "constant, and under constant_with_warmup and exponential with --warmup_steps."
)


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed from; the message says why and what to do."""


class OtherSettingsError(CheckpointError):
    """A whole checkpoint of a run with other settings."""


def checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    found = [path for path in output_dir.glob(PREFIX + "*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=steps_of)


def steps_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))


def delete_run(output_dir: Path):
    """Remove the checkpoints and the best model that a run left."""
    for folder in (*output_dir.glob(PREFIX + "*"), output_dir / "best"):
        shutil.rmtree(folder, ignore_errors=True)
    (output_dir / "best_metrics.json").unlink(missing_ok=True)


def write_checkpoint(
    output_dir: Path,
    progress: dict[str, Any],
    settings: dict[str, Any],
    save_states: Callable[[Path], None],
    limit: int,
    accelerator: Accelerator,
):
    """
    Write `checkpoint-N`, N being `progress["step"]`, and delete the oldest beyond `limit`. All processes take part.

    Args:
        progress: where the run stands; comes back from `read_checkpoint`.
        settings: what shapes the weights; `read_checkpoint` compares it.
        save_states: fills the folder with everything else.

    Raises:
        OSError: the disk takes no more, or writing failed otherwise. Earlier checkpoints are untouched.
    """
    folder = output_dir / f"{PREFIX}{progress['step']}"
    partial = folder.with_name(folder.name + PARTIAL)
    try:
        if accelerator.is_main_process:
            for abandoned in output_dir.glob(PREFIX + "*" + PARTIAL):
                shutil.rmtree(abandoned)
            partial.mkdir(parents=True)
        accelerator.wait_for_everyone()
        save_states(partial)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            state = {"format": FORMAT, "torch": torch.__version__, "progress": progress, "settings": settings}
            state["files"] = {str(path.relative_to(partial)): describe(path) for path in files_of(partial)}
            state["sha256"] = state_digest(state)
            (partial / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n")
            open_files(partial)
            flush_folder(partial)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
            flush(output_dir)
    except BaseException as error:
        cause = plainly(error, output_dir)  # while the disk is still as full as it was
        shutil.rmtree(partial, ignore_errors=True)
        if not isinstance(error, OSError | RuntimeError | SafetensorError):  # torch reports a full disk as the second
            raise
        raise OSError(f"{folder} could not be written: {cause}.") from error
    if accelerator.is_main_process:
        for old in checkpoints(output_dir)[:-limit]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def read_checkpoint(folder: Path, settings: dict[str, Any], prolonging: bool = False) -> dict[str, Any]:
    """
    Check a checkpoint against its own list of files and against the settings of this run.

    Args:
        prolonging: another number of epochs or steps is no difference.

    Returns:
        The progress that was written into it.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to another run.
    """
    try:
        return checked_progress(folder, settings, prolonging)
    except CheckpointError as error:
        advice = offer_of_another(folder, settings, prolonging) or (
            f"It goes on with the settings in {folder.parent / 'recipe.yaml'}; with others begin a run in an empty "
            f"--output_dir, from its weights with --model_name_or_path {folder.parent / 'best'}."
            if isinstance(error, OtherSettingsError)
            else "There is no other of this run beside it: start anew in an empty --output_dir."
        )
        raise CheckpointError(f"{error} {advice}") from None


def checked_progress(folder: Path, settings: dict[str, Any], prolonging: bool) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint {folder}.")
    file = folder / STATE_FILE
    if not file.exists():
        raise CheckpointError(f"{folder} was not written by this train/train.py: it has no {STATE_FILE}.")
    try:
        state = json.loads(file.read_text())
        found = state["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} is damaged: {STATE_FILE} cannot be read ({error!r}).") from None
    if found != FORMAT:
        raise CheckpointError(f"{folder} was written by something else: its format is {found!r}, not {FORMAT!r}.")
    digest = state.pop("sha256", None)
    if digest != state_digest(state):
        raise CheckpointError(f"{folder} is damaged: {STATE_FILE} was changed after it was written.")
    for name, expected in state["files"].items():
        damage = damage_of(folder / name, expected)
        if damage:
            raise CheckpointError(f"{folder} is damaged: {name} {damage}.")
    there, here = flat(state["settings"]), flat(as_json(settings))
    planned = [key for key in LENGTH if there.get(key) != here.get(key)]
    if prolonging:
        here |= {key: there.get(key) for key in planned}
    differences = differing(there, here)
    if differences:
        reason = f" {WHY_NOT_PROLONGED}" if planned and not prolonging else ""
        raise OtherSettingsError(f"{folder} belongs to another run: {'; '.join(differences)}.{reason}")
    return state["progress"]


def offer_of_another(folder: Path, settings: dict[str, Any], prolonging: bool) -> str | None:
    """The sentence that offers the newest usable checkpoint beside one that is not usable, if there is one."""
    for other in reversed(checkpoints(folder.parent)):
        if other.name == folder.name:
            continue
        try:
            checked_progress(other, settings, prolonging)
        except CheckpointError:
            continue
        return f"{other.name} is whole and of this run: --resume_from_checkpoint {other} goes on from there."
    return None


def describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_digest(path)}


def damage_of(path: Path, expected: dict[str, Any]) -> str | None:
    """What is wrong with a file of which size and digest were noted, or None."""
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != expected["bytes"]:
        return f"has {size} bytes and must have {expected['bytes']}"
    return None if describe(path) == expected else "was changed after it was written"


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def state_digest(state: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def as_json(value: Any) -> Any:
    """The value as it comes back from a JSON file: tuples as lists, keys as text."""
    return json.loads(json.dumps(value))


def differing(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    keys = sorted(key for key in {*there, *here} if there.get(key) != here.get(key))
    return [f"{key} is {there.get(key)!r} there and {here.get(key)!r} here" for key in keys]
