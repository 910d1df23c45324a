"""MobileFaceNet (Chen et al., 2018) as a feature pyramid, with an optional landmark head."""

import torch
from torch import nn


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
        self.convolution = nn.Conv2d(
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


class MobileFaceNet(nn.Module):
    """
    The trunk of MobileFaceNet, read at three depths.

    `forward` maps pixels (B, 3, H, W) to feature maps (B, 64, H/4, W/4), (B, 128, H/8, W/8) and
    (B, 512, H/16, W/16), sizes rounded up. Its global depthwise convolution and its embedding, which serve face
    recognition, are left out.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            MobileFaceNetConv(3, 64, 3, stride=2),
            MobileFaceNetConv(64, 64, 3, groups=64),
        )
        self.stage1 = nn.Sequential(
            MobileFaceNetBottleneck(64, 64, 128, stride=2),
            *[MobileFaceNetBottleneck(64, 64, 128) for _ in range(4)],
        )
        self.stage2 = nn.Sequential(
            MobileFaceNetBottleneck(64, 128, 256, stride=2),
            *[MobileFaceNetBottleneck(128, 128, 256) for _ in range(6)],
        )
        self.stage3 = nn.Sequential(
            MobileFaceNetBottleneck(128, 128, 512, stride=2),
            *[MobileFaceNetBottleneck(128, 128, 256) for _ in range(2)],
            MobileFaceNetConv(128, 512, 1),
        )

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # In float32 even under autocast: rounding pixels would be the largest of its errors.
        with torch.autocast(pixel_values.device.type, enabled=False):
            stem = self.stem(pixel_values)
        low = self.stage1(stem)  # (B, 3, H, W) -> (B, 64, H/4, W/4)
        middle = self.stage2(low)  # -> (B, 128, H/8, W/8)
        high = self.stage3(middle)  # -> (B, 512, H/16, W/16)
        return low, middle, high


class MobileFaceNetLandmarkHead(nn.Module):
    """
    68 facial landmarks (the iBUG order) from the last feature map.

    `forward` maps (B, 512, S, S) to (B, 68, 2): x and y as fractions of the crop's width and height, 0 at the
    left and top edges. A global depthwise convolution (it weighs every cell by itself, where average pooling would
    forget positions) is followed by one linear layer.
    """

    num_landmarks = 68

    def __init__(self, grid_size: int):
        super().__init__()
        self.depthwise = nn.Conv2d(512, 512, grid_size, groups=512, bias=False)
        self.normalization = nn.BatchNorm2d(512)
        self.linear = nn.Linear(512, 2 * self.num_landmarks)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        pooled = self.normalization(self.depthwise(hidden_states)).flatten(1)  # (B, 512, S, S) -> (B, 512)
        return self.linear(pooled).unflatten(1, (self.num_landmarks, 2))  # (B, 136) -> (B, 68, 2)
