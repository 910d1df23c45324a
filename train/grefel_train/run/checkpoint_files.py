"""Folders that appear whole or not at all, and the files of a model."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """
    Give an empty folder to fill; when the block ends it takes the place of `folder`, when it raises nothing changes.

    The filled folder stands beside the final one until then, on the same disk, so that the change is a rename.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        flush_folder(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def restore_replaced(folder: Path):
    """Put back a folder whose replacement was interrupted between its two renames."""
    old = folder.with_name(folder.name + ".old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)


def replaced_text(file: Path, text: str):
    """Write a text file that has its old content or the new one, whatever happens."""
    partial = file.with_name(file.name + ".partial")
    partial.write_text(text)
    flush(partial)
    os.replace(partial, file)


def flush_folder(folder: Path):
    """Have the disk hold every file of a folder, and the folder's list of them."""
    for path in (*folder.rglob("*"), folder):
        flush(path)


def flush(path: Path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_model(
    model: GReFELForImageClassification,
    processor: GReFELImageProcessor,
    folder: str | Path,
    state: dict[str, torch.Tensor] | None = None,
):
    """
    Weights in half precision where it can hold them (they load as float32, which the config names), config, processor.

    Args:
        state: the weights, where they are not those of `model`.

    Raises:
        OSError: the disk takes no more. What was in `folder` is still there.
    """
    state = model.state_dict() if state is None else state
    state = {name: in_half_precision(weight) for name, weight in state.items()}
    try:
        with replaced_folder(folder) as partial:
            model.save_pretrained(partial, state_dict=state)
            processor.save_pretrained(partial)
    except SafetensorError as error:
        raise OSError(f"{folder} could not be written: {error}") from error


def in_half_precision(weight: torch.Tensor) -> torch.Tensor:
    """The tensor as float16, unless it is no float or has values that would become infinite."""
    half = weight.half() if weight.is_floating_point() else weight
    return half if half.isfinite().all() else weight


def weights_digest(folder: str | Path) -> str | None:
    """sha256 of a folder's weights, which ties figures to what they were measured on; None where there are none."""
    weights = Path(folder) / "model.safetensors"
    return hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else None
