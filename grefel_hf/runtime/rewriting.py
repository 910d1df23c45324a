"""Rewriting a model into cheaper operations with the same results, for inference alone."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..model.backbone_mobilefacenet import MobileFaceNet, MobileFaceNetBottleneck, MobileFaceNetConv
from ..model.backbone_mobilenet_v1 import MobileNetV1Conv
from ..model.modeling_grefel import GReFELCrossFusion

LEAST_KINK = 1e-3  # how far a PReLU's slope is from 1 at least where the rest is divided by that


def fold_batch_norms(model: nn.Module):
    """
    Fold each batch norm that follows a convolution into its weights, in place; outputs change by rounding.

    The model must be in eval mode and can be trained or saved no more: give it a copy.
    """
    for module in list(model.modules()):
        children = list(module.named_children())
        # In GReFEL, neighbours among a module's children are neighbours in its computation.
        for (name, convolution), (next_name, norm) in zip(children, children[1:]):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, next_name, nn.Identity())


@torch.no_grad()
def fold_layer_scales(model: nn.Module):
    """
    Fold the LayerScale of every fusion into the layers before it, in place, by `UnscaledFusion`.

    As with `fold_batch_norms`, the model must be a copy in eval mode.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, GReFELCrossFusion):
                setattr(module, name, UnscaledFusion(child))


class UnscaledFusion(nn.Module):
    """A `GReFELCrossFusion` that takes over the parts of another one, whose scales its linear layers contain."""

    def __init__(self, fusion: GReFELCrossFusion):
        super().__init__()
        for layer, scale in ((fusion.attention.output, fusion.attention_scale), (fusion.mlp.fc2, fusion.mlp_scale)):
            layer.weight.mul_(scale[:, None])
            layer.bias.mul_(scale)
        self.layernorm_before, self.attention = fusion.layernorm_before, fusion.attention
        self.layernorm_after, self.mlp = fusion.layernorm_after, fusion.mlp

    def forward(self, image_map: torch.Tensor, landmark_map: torch.Tensor) -> torch.Tensor:
        """As `GReFELCrossFusion.forward`."""
        image = self.layernorm_before(image_map.permute(0, 2, 3, 1))  # (B, C, H, W) -> (B, H, W, C)
        image = image + self.attention(image, landmark_map.permute(0, 2, 3, 1))
        image = image + self.mlp(self.layernorm_after(image))
        return image.permute(0, 3, 1, 2)  # (B, H, W, C) -> (B, C, H, W)


@torch.no_grad()
def scale_prelus(model: nn.Module):
    """
    Put `ScaledPReLU` in the place of the PReLUs of every MobileFaceNet whose one reader is a convolution, in place, and
    what that leaves out into the convolution's weights. Batch norms must be folded before.
    """
    for reader, following in _readers(model):
        slopes = getattr(reader.activation, "weight", None)
        if slopes is None or (1 - slopes).abs().min() < LEAST_KINK:
            continue
        reader.activation = ScaledPReLU(slopes)
        factors = (1 - slopes).view(-1, 1, 1, 1) if following.groups > 1 else (1 - slopes).view(1, -1, 1, 1)
        following.weight.mul_(factors)  # zeros around the map stay zeros


def _readers(model: nn.Module) -> Iterator[tuple[MobileFaceNetConv, nn.Conv2d]]:
    """Units of MobileFaceNet that only one convolution reads, and that convolution."""
    for module in model.modules():
        if isinstance(module, MobileFaceNetBottleneck):
            yield module.expand, module.depthwise.convolution
            yield module.depthwise, module.project.convolution
        elif isinstance(module, MobileFaceNet):
            yield module.stem[0], module.stem[1].convolution
            yield module.stem[1], module.stage1[0].expand.convolution


class ScaledPReLU(nn.Module):
    """
    PReLU over 1 - a, which is a / (1 - a) * x + relu(x): one operation less than `SplitPReLU`, as the sum is part of
    the convolution that multiplies.
    """

    def __init__(self, slopes: torch.Tensor):
        super().__init__()
        self.linear = _scaling(slopes / (1 - slopes))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden_states) + hidden_states.relu()


def split_prelus(model: nn.Module):
    """Put `SplitPReLU` in the place of every PReLU, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.PReLU):
                setattr(module, name, SplitPReLU(child.weight))


class SplitPReLU(nn.Module):
    """
    PReLU as a * x + (1 - a) * relu(x), both products as depthwise 1x1 convolutions.

    ONNX Runtime lays maps out in blocks of channels for its convolutions, and has PReLU for the plain layout only, on
    one thread: with the way there and back they cost more than all convolutions of MobileFaceNet. Convolutions, ReLU
    and the sum, which becomes part of the second convolution, stay in blocks.
    """

    def __init__(self, slopes: torch.Tensor):
        super().__init__()
        self.linear = _scaling(slopes)
        self.rectified = _scaling(1 - slopes)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden_states) + self.rectified(hidden_states.relu())


def _scaling(factors: torch.Tensor) -> nn.Conv2d:
    """Factors (C,) as a convolution that multiplies each channel by its own."""
    convolution = nn.Conv2d(len(factors), len(factors), 1, groups=len(factors), bias=False)
    convolution.weight = nn.Parameter(factors.detach().reshape(-1, 1, 1, 1), requires_grad=False)
    return convolution


def pad_in_convolutions(model: nn.Module):
    """Put `PaddingConv` in the place of the convolutions of MobileNet v1 that halve maps, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MobileNetV1Conv) and child.halves:
                setattr(module, name, PaddingConv(child))


class PaddingConv(nn.Module):
    """
    A `MobileNetV1Conv` whose padding is the convolution's own in the graph: PyTorch's has the same at both ends, and
    a padding by itself costs ONNX Runtime the way out of its blocks of channels and back. Batch norms must be folded.
    """

    def __init__(self, unit: MobileNetV1Conv):
        super().__init__()
        self.convolution, self.activation = unit.convolution, unit.activation

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        top, left = (int(side) % 2 for side in hidden_states.shape[2:])
        convolution = self.convolution
        return self.activation(
            _PaddedConvolution.apply(
                hidden_states, convolution.weight, convolution.bias, convolution.groups, (top, left, 1, 1)
            )
        )


class _PaddedConvolution(torch.autograd.Function):
    """A convolution of stride 2 of maps that zeros are put around: `padding` is top, left, bottom, right."""

    @staticmethod
    def forward(ctx, maps, weight, bias, groups, padding):
        top, left, bottom, right = padding
        padded = nn.functional.pad(maps, (left, right, top, bottom))
        return nn.functional.conv2d(padded, weight, bias, stride=2, groups=groups)

    @staticmethod
    def symbolic(graph, maps, weight, bias, groups, padding):
        return graph.op("Conv", maps, weight, bias, strides_i=[2, 2], pads_i=list(padding), group_i=groups)
