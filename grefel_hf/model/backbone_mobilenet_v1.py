"""MobileNet v1 (Howard et al., 2017) as a feature pyramid, with TensorFlow's padding, as its face weights want it."""

import torch
from torch import nn

from .configuration_grefel import scaled_channels
from .depthwise import StridedDepthwiseConv2d

CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)  # out of pairs 1 to 13
HALVING_PAIRS = (2, 4, 6, 12)
# Mean of the pixels (RGB, 0 to 255) that the pretrained weights were taught with, in the image processor's values.
PIXEL_CENTRE = tuple((mean - 127.5) / 128 for mean in (123.68, 116.779, 103.939))


def pad_as_tensorflow(maps: torch.Tensor) -> torch.Tensor:
    """
    Zeros around maps (B, C, H, W) for a 3x3 convolution of stride 2 with SAME padding: an even side gets one cell at
    its end, an odd one a cell at both ends.
    """
    height, width = (int(side) % 2 for side in maps.shape[2:])
    return nn.functional.pad(maps, (width, 1, height, 1))


class MobileNetV1Conv(nn.Module):
    """Bias-free convolution with SAME padding, batch norm and ReLU6: (B, I, H, W) to (B, O, H / stride, W / stride)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.halves = stride == 2
        padding = 0 if self.halves else kernel_size // 2
        kind = StridedDepthwiseConv2d if self.halves and groups > 1 else nn.Conv2d
        self.convolution = kind(
            in_channels, out_channels, kernel_size, stride, padding=padding, groups=groups, bias=False
        )
        self.normalization = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU6()

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states = pad_as_tensorflow(hidden_states) if self.halves else hidden_states
        return self.activation(self.normalization(self.convolution(hidden_states)))


class MobileNetV1Pair(nn.Module):
    """A depthwise separable convolution: depthwise 3x3, which may halve the map, then pointwise 1x1."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.depthwise = MobileNetV1Conv(in_channels, in_channels, 3, stride, groups=in_channels)
        self.pointwise = MobileNetV1Conv(in_channels, out_channels, 1)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(hidden_states))


class MobileNetV1(nn.Module):
    """
    All 13 pairs of MobileNet v1, read after pairs 5, 11 and 13.

    `forward` maps the image processor's pixels (B, 3, H, W), RGB, to feature maps (B, 256, H/8, W/8),
    (B, 512, H/16, W/16) and (B, 1024, H/32, W/32) at width 1, sizes rounded up. Pixels are centred here rather than by
    the processor, which the landmark backbone shares, and rather than in a bias: the padding has to be zero after it.

    Args:
        width: multiplies all channels.
    """

    def __init__(self, width: float = 1.0):
        super().__init__()
        stem = scaled_channels(32, width)
        channels = [stem, *(scaled_channels(c, width) for c in CHANNELS)]
        pairs = [
            MobileNetV1Pair(i, o, stride=2 if number in HALVING_PAIRS else 1)
            for number, (i, o) in enumerate(zip(channels, channels[1:]), start=1)
        ]
        self.stem = nn.Sequential(MobileNetV1Conv(3, stem, 3, stride=2), *pairs[:3])  # to H/4
        self.stage1 = nn.Sequential(*pairs[3:5])
        self.stage2 = nn.Sequential(*pairs[5:11])
        self.stage3 = nn.Sequential(*pairs[11:])

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        centred = pixel_values - pixel_values.new_tensor(PIXEL_CENTRE).view(-1, 1, 1)
        low = self.stage1(self.stem(centred))  # (B, 3, H, W) -> (B, 256, H/8, W/8)
        middle = self.stage2(low)  # -> (B, 512, H/16, W/16)
        high = self.stage3(middle)  # -> (B, 1024, H/32, W/32)
        return low, middle, high
