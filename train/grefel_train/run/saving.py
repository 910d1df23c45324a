"""Saving a model as it is handed out: in half precision, whole or not at all."""

from pathlib import Path

import torch
from safetensors import SafetensorError

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.files import whole_folder


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
        with whole_folder(folder) as partial:
            model.save_pretrained(partial, state_dict=state)
            processor.save_pretrained(partial)
    except SafetensorError as error:
        raise OSError(f"{folder} could not be written: {error}") from error


def in_half_precision(weight: torch.Tensor) -> torch.Tensor:
    """The tensor as float16, unless it is no float or has values that would become infinite."""
    half = weight.half() if weight.is_floating_point() else weight
    return half if half.isfinite().all() else weight
