"""Rewriting a model into cheaper operations with the same results, for inference alone."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..model.modeling_grefel import GReFELCrossFusion


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
