"""Augmentation of face batches on the training device, with kornia."""

import kornia.augmentation as K
import torch
from torch import nn


class FaceAugmentation(nn.Module):
    """
    Flip, small rotation, shift and scale, brightness and contrast, sharpening, and random erasing.

    `strength` scales the ranges of all but the flip: 0 leaves only that, 1 is the recipe of grefel-small.
    Rotation, shift and scale are those by which face detectors disagree about one face; sharpening stands for the
    crops of real photos, which are sharper than upscaled training faces.

    `forward` maps images (B, 3, S, S) in [0, 1] to the same.
    """

    def __init__(self, strength: float = 1.0):
        super().__init__()
        layers = [K.RandomHorizontalFlip(p=0.5)]
        if strength > 0:
            layers += [
                K.RandomAffine(
                    degrees=15.0 * strength,
                    translate=(0.07 * strength, 0.07 * strength),
                    scale=(1 - 0.15 * strength, 1 + 0.15 * strength),
                    padding_mode="border",
                    p=0.9,
                ),
                K.RandomBrightness((1 - 0.15 * strength, 1 + 0.15 * strength), p=0.7),
                K.RandomContrast((1 - 0.3 * strength, 1 + 0.3 * strength), p=0.7),
                K.RandomSharpness(1.0 * strength, p=0.15),
                K.RandomErasing(scale=(0.02, 0.02 + 0.13 * strength), ratio=(0.4, 2.5), value=0.5, p=0.3),
            ]
        self.layers = nn.Sequential(*layers)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images).clamp(0.0, 1.0)
