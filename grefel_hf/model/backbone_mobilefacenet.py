"""MobileFaceNet (Chen et al., 2018) as a feature pyramid, with an optional landmark head."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast

from .depthwise import StridedDepthwiseConv2d


class MobileFaceNetConv(nn.Module):
    """Bias-free convolution, batch norm and, unless `linear`, a PReLU per channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ):
        super().__init__()
        kind = StridedDepthwiseConv2d if stride > 1 and groups > 1 else nn.Conv2d
        self.convolution = kind(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False
        )
        self.normalization = nn.BatchNorm2d(out_channels)
        self.activation = nn.Identity() if linear else nn.PReLU(out_channels)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.activation(self.normalization(self.convolution(hidden_states)))


class MobileFaceNetBottleneck(nn.Module):
    """Inverted residual: expand 1x1, depthwise 3x3, project 1x1; added to its input where the shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, expanded_channels: int, stride: int = 1):
        super().__init__()
        self.expand = MobileFaceNetConv(in_channels, expanded_channels, 1)
        self.depthwise = MobileFaceNetConv(expanded_channels, expanded_channels, 3, stride, groups=expanded_channels)
        self.project = MobileFaceNetConv(expanded_channels, out_channels, 1, linear=True)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        output = self.project(self.depthwise(self.expand(hidden_states)))
        return hidden_states + output if self.residual else output


def mobilefacenet_stage(in_channels: int, out_channels: int, expanded_channels: int, depth: int) -> nn.Sequential:
    """`depth` bottlenecks, the first of which halves the map and expands by itself; the others double."""
    first = MobileFaceNetBottleneck(in_channels, out_channels, expanded_channels, stride=2)
    others = [MobileFaceNetBottleneck(out_channels, out_channels, 2 * out_channels) for _ in range(depth - 1)]
    return nn.Sequential(first, *others)


class MobileFaceNet(nn.Module):
    """
    The trunk of MobileFaceNet, read at three depths.

    `forward` maps pixels (B, 3, H, W) to feature maps (B, C1, H/4, W/4), (B, C2, H/8, W/8) and (B, C3, H/16, W/16),
    sizes rounded up. Its global depthwise convolution and its embedding, which serve face recognition, are left out.

    Args:
        channels: C1, C2, C3; the defaults are the published ones.
        depths: bottlenecks per stage.
    """

    def __init__(self, channels: Sequence[int] = (64, 128, 512), depths: Sequence[int] = (5, 7, 3)):
        super().__init__()
        low, middle, high = channels
        self.stem = nn.Sequential(
            MobileFaceNetConv(3, low, 3, stride=2),
            MobileFaceNetConv(low, low, 3, groups=low),
        )
        self.stage1 = mobilefacenet_stage(low, low, 2 * low, depths[0])
        self.stage2 = mobilefacenet_stage(low, middle, 4 * low, depths[1])
        self.stage3 = mobilefacenet_stage(middle, middle, 4 * middle, depths[2])
        self.stage3.append(MobileFaceNetConv(middle, high, 1))

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # In float32 even under autocast: rounding pixels would be the largest of its errors.
        with maybe_autocast(pixel_values.device.type, enabled=False):
            stem = self.stem(pixel_values)
        low = self.stage1(stem)  # (B, 3, H, W) -> (B, C1, H/4, W/4)
        middle = self.stage2(low)  # -> (B, C2, H/8, W/8)
        high = self.stage3(middle)  # -> (B, C3, H/16, W/16)
        return low, middle, high


class MobileFaceNetLandmarkHead(nn.Module):
    """
    68 facial landmarks (the iBUG order) from the last feature map.

    `forward` maps (B, C3, S, S) to (B, 68, 2): x and y as fractions of the crop's width and height, 0 at the
    left and top edges. A global depthwise convolution (it weighs every cell by itself, where average pooling would
    forget positions) is followed by one linear layer.
    """

    num_landmarks = 68

    def __init__(self, grid_size: int, channels: int = 512):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, grid_size, groups=channels, bias=False)
        self.normalization = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, 2 * self.num_landmarks)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        pooled = self.normalization(self.depthwise(hidden_states)).flatten(1)  # (B, C3, S, S) -> (B, C3)
        return self.linear(pooled).unflatten(1, (self.num_landmarks, 2))  # (B, 136) -> (B, 68, 2)
