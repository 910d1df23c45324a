"""Depthwise convolutions that train on a CPU in mixed precision without oneDNN's slow path."""

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast


class StridedDepthwiseConv2d(nn.Conv2d):
    """
    A depthwise convolution with a stride above 1: (B, C, H, W) to (B, C, H / stride, W / stride).

    Where gradients are wanted under a CPU's autocast it works in float32 and returns the dtype of its input: oneDNN has
    no fast gradient for its input in bfloat16, which makes a training step of MobileNet v1 take a quarter longer
    (tests/benchmarks/benchmark_backbone_training.py).
    """

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if not (
            hidden_states.requires_grad and hidden_states.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        ):
            return super().forward(hidden_states)
        with maybe_autocast("cpu", enabled=False):
            return super().forward(hidden_states.float()).to(hidden_states.dtype)
