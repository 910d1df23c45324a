"""Exponential moving average of a model's weights, without the weight of its random start."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor


class WeightAverage:
    """
    Follows the parameters and buffers of a model, batch norm statistics included.

    After n updates the decay is min(decay, (1 + n) / (10 + n)). A constant one would leave decay ** n of the random
    start in the average: 17 % after two epochs of 443 steps at 0.998.

    It keeps one tensor beside each tensor that this process holds, so the model may be compiled, replicated or sharded
    (make the average after `accelerator.prepare`): under FSDP 2 each process averages its own shard. Evaluation and
    saving happen inside `swapped_in`.
    """

    def __init__(self, model: torch.nn.Module, decay: float):
        self.model = model
        self.decay = decay
        self.updates = 0
        self.tensors = [tensor.clone() for tensor in local_tensors(model)]

    @torch.no_grad()
    def update(self):
        """Take in the model's weights as they are after an optimiser step. The first call copies them."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 0.0
        pairs = list(zip(self.tensors, local_tensors(self.model)))
        torch._foreach_lerp_(*zip(*(pair for pair in pairs if pair[0].is_floating_point())), 1.0 - decay)
        for average, value in pairs:
            if not average.is_floating_point():  # counters of batches
                average.copy_(value)
        self.updates += 1

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The average of one of the model's parameters or buffers, to be changed in place; not of sharded ones."""
        index = next(i for i, value in enumerate(local_tensors(self.model)) if value.data_ptr() == tensor.data_ptr())
        return self.tensors[index]

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The model has the averaged weights within the block, and its own again, bit for bit, after it."""
        current = [tensor.clone() for tensor in local_tensors(self.model)]
        copy_into(self.model, self.tensors)
        try:
            yield
        finally:
            copy_into(self.model, current)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "tensors": self.tensors}

    def load_state_dict(self, state: dict[str, Any]):
        self.updates = state["updates"]
        for average, value in zip(self.tensors, state["tensors"], strict=True):
            average.copy_(value)


def local_tensors(model: torch.nn.Module) -> list[torch.Tensor]:
    """What this process holds of each parameter and buffer, sharing its memory."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()  # the root keeps whole parameters after a forward pass, and would go on with them
    tensors = [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
    return [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]


@torch.no_grad()
def copy_into(model: torch.nn.Module, values: list[torch.Tensor]):
    for tensor, value in zip(local_tensors(model), values, strict=True):
        tensor.copy_(value)
