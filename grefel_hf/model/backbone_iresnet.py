"""Improved ResNet (the IR-50 of face.evoLVe; Duta et al., 2020 for the unit), its first three stages as a pyramid."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast


class IResNetUnit(nn.Module):
    """
    Pre-norm residual unit: batch norm, 3x3 conv, PReLU, 3x3 conv (with the stride), batch norm.

    The shortcut only subsamples where the width stays, as a 1x1 max pooling with stride does; where the width
    changes it is a 1x1 convolution with batch norm.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        if in_channels == out_channels:
            self.shortcut = nn.MaxPool2d(1, stride)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.residual(hidden_states) + self.shortcut(hidden_states)


def iresnet_stage(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
    """`depth` units, the first of which halves the map."""
    first = IResNetUnit(in_channels, out_channels, stride=2)
    return nn.Sequential(first, *[IResNetUnit(out_channels, out_channels, stride=1) for _ in range(depth - 1)])


class IResNet(nn.Module):
    """
    `forward` maps pixels (B, 3, H, W) to feature maps (B, 64, H/2, W/2), (B, 128, H/4, W/4) and
    (B, 256, H/8, W/8), sizes rounded up.
    """

    def __init__(self, depths: Sequence[int] = (3, 4, 14)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        self.stage1 = iresnet_stage(64, 64, depths[0])
        self.stage2 = iresnet_stage(64, 128, depths[1])
        self.stage3 = iresnet_stage(128, 256, depths[2])

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # In float32 even under autocast: rounding pixels would be the largest of its errors.
        with maybe_autocast(pixel_values.device.type, enabled=False):
            stem = self.stem(pixel_values)
        low = self.stage1(stem)  # (B, 3, H, W) -> (B, 64, H/2, W/2)
        middle = self.stage2(low)  # -> (B, 128, H/4, W/4)
        high = self.stage3(middle)  # -> (B, 256, H/8, W/8)
        return low, middle, high
