"""The 68-point head of pytorch_face_landmark's MobileFaceNet, made to fit `MobileFaceNetLandmarkHead`."""

from collections.abc import Mapping

import torch
from torch import nn

from grefel_hf import GReFELImageProcessor
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNetLandmarkHead
from grefel_train.backbones.layouts import LANDMARK_HEAD

# Its layers under the names of `published_head`, and where a checkpoint has them.
PUBLISHED_HEAD = {
    "depthwise": f"{LANDMARK_HEAD}.conv_6_dw.conv",
    "normalization": f"{LANDMARK_HEAD}.conv_6_dw.bn",
    "linear": f"{LANDMARK_HEAD}.linear",
    "last_normalization": f"{LANDMARK_HEAD}.bn",
}


def published_head(grid_size: int) -> nn.ModuleDict:
    """The layers of the published 68-point head: unlike ours it ends with a batch norm."""
    points = 2 * MobileFaceNetLandmarkHead.num_landmarks
    return nn.ModuleDict(
        {
            "depthwise": nn.Conv2d(512, 512, grid_size, groups=512, bias=False),
            "normalization": nn.BatchNorm2d(512),
            "linear": nn.Linear(512, points, bias=False),
            "last_normalization": nn.BatchNorm1d(points),
        }
    )


def folded(head: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A published head as `MobileFaceNetLandmarkHead` has it: (W h - mean) * gain + shift is a linear layer of h."""
    ours = {name: value for name, value in head.items() if not name.startswith("last_normalization.")}
    mean, variance, gain, shift = (
        head[f"last_normalization.{name}"].double() for name in ("running_mean", "running_var", "weight", "bias")
    )  # (136,)
    gain = gain / (variance + nn.BatchNorm1d(1).eps).sqrt()
    ours["linear.weight"] = (head["linear.weight"].double() * gain[:, None]).float()
    ours["linear.bias"] = (shift - mean * gain).float()
    return ours


def for_our_pixels(backbone: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """
    A landmark backbone made for u = x / 255, for the processor's p = (u - mean) / std: u = std * p + mean goes into the
    first convolution and the running mean of the batch norm after it.
    """
    pixels = (GReFELImageProcessor.image_mean, GReFELImageProcessor.image_std)
    mean, std = (torch.tensor(values).double().view(1, 3, 1, 1) for values in pixels)
    weight = backbone["stem.0.convolution.weight"].double()  # (64, 3, 3, 3)
    running_mean = backbone["stem.0.normalization.running_mean"].double() - (weight * mean).sum((1, 2, 3))
    return {
        **backbone,
        "stem.0.convolution.weight": (weight * std).float(),
        "stem.0.normalization.running_mean": running_mean.float(),
    }
