"""PyTorch as a network for the predictor."""

import copy
from collections.abc import Callable

import numpy as np
import torch

from ..model.modeling_grefel import GReFELForImageClassification
from .rewriting import fold_batch_norms


class TorchNetwork:
    """A model, or what torch.compile makes of one, on its own device; its weights are laid out channels last."""

    def __init__(self, model: GReFELForImageClassification, function: Callable | None = None):
        # Convolutions hand this on, and the fusion's permutes to (B, H, W, C) and back are views of it. In the forward
        # pass it would come too late: the weights would be brought into the layout of the input at every call.
        model.to(memory_format=torch.channels_last)
        self._device = model.device
        self._function = model if function is None else function  # a compiled model has no truth value

    @torch.inference_mode()
    def __call__(self, pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        output = self._function(pixel_values=on_device(torch.from_numpy(pixel_values), self._device))
        return {name: value.float().cpu().numpy() for name, value in output.items() if isinstance(value, torch.Tensor)}


def on_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A batch in the memory of a device; to a GPU it goes from pinned memory, beside other work. Untried on one."""
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


def compiled_network(model: GReFELForImageClassification) -> TorchNetwork:
    """A copy of the model through torch.compile, its batch norms folded."""
    folded = copy.deepcopy(model).eval()
    fold_batch_norms(folded)
    return TorchNetwork(folded, torch.compile(folded, fullgraph=True))
