"""Saving a model as it is handed out: in half precision, whole or not at all."""

from pathlib import Path

import torch
from safetensors import SafetensorError

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.files import whole_folder
from grefel_train.run.output_dir import plainly

LOG_TEMPERATURE = "anchors.log_temperature"


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
    if LOG_TEMPERATURE in state:  # learned: the config says the same
        model.config.anchor_temperature = round(state[LOG_TEMPERATURE].float().exp().item(), 6)
    try:
        with whole_folder(folder) as partial:
            model.save_pretrained(partial, state_dict=state)
            processor.save_pretrained(partial)
    except (OSError, SafetensorError) as error:
        raise OSError(f"{folder} could not be written: {plainly(error, Path(folder).parent)}.") from error


def in_half_precision(weight: torch.Tensor) -> torch.Tensor:
    """The tensor as float16, unless it is no float or has values that would become infinite."""
    half = weight.half() if weight.is_floating_point() else weight
    return half if half.isfinite().all() else weight
