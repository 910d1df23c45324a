"""Exponential moving average of a model's weights, without the weight of its random start."""

from collections.abc import Callable

import torch
from torch.optim.swa_utils import AveragedModel


def moving_average(model: torch.nn.Module, decay: float) -> AveragedModel:
    """
    A copy of the model that follows it, batch norm statistics included.

    After n updates the decay is min(decay, (1 + n) / (10 + n)). A constant one would leave decay ** n of the random
    start in the average: 17 % after two epochs of 443 steps at 0.998.
    """
    return AveragedModel(model, multi_avg_fn=_warmed_up(decay), use_buffers=True)


def _warmed_up(decay: float) -> Callable:
    @torch.no_grad()
    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], updates: torch.Tensor | int):
        share = 1.0 - min(decay, (1 + int(updates)) / (10 + int(updates)))
        for average, value in zip(averaged, current):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:  # counters of batches
                average.copy_(value)

    return update
