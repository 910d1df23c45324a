"""
RandAugment (Cubuk et al., 2020) on batches of faces: a few operations for each image, drawn from a list, all equally
strong. Without equalisation, and with ranges in which a face stays one.
"""

import torch
import torch.nn.functional as F


def rand_augment(images: torch.Tensor, operations: int, strength: float) -> torch.Tensor:
    """
    Args:
        images: (B, C, S, S) in [0, 1], C being 3, or 1 for grey images, on which `saturation` does nothing.
        operations: for each image, one after the other.
        strength: 1 is the full range of each operation; the sign is drawn.

    Returns:
        Images of the same shape, in [0, 1].
    """
    images = images.clone()
    for _ in range(operations):
        drawn = torch.randint(len(OPERATIONS), (len(images),))
        amounts = strength * (2.0 * torch.randint(2, (len(images),)) - 1)
        for index, operation in enumerate(OPERATIONS):
            chosen = (drawn == index).nonzero().squeeze(1)
            if len(chosen):
                amount = amounts[chosen].to(images).view(-1, 1, 1, 1)
                there = chosen.to(images.device)
                images[there] = operation(images[there], amount).clamp_(0.0, 1.0)
    return images


def warped(images: torch.Tensor, *entries: torch.Tensor | float) -> torch.Tensor:
    """Images sampled at affine maps of their coordinates (-1 to 1), given row by row; edges are continued outwards."""
    maps = torch.stack([images.new_zeros(len(images)) + torch.as_tensor(entry).flatten() for entry in entries], -1)
    grid = F.affine_grid(maps.view(-1, 2, 3), images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def unchanged(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return images


def rotation(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    angle = torch.deg2rad(30.0 * amounts)
    return warped(images, angle.cos(), -angle.sin(), 0.0, angle.sin(), angle.cos(), 0.0)


def shear_across(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return warped(images, 1.0, 0.3 * amounts, 0.0, 0.0, 1.0, 0.0)


def shear_down(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return warped(images, 1.0, 0.0, 0.0, 0.3 * amounts, 1.0, 0.0)


def shift_across(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return warped(images, 1.0, 0.0, 0.3 * amounts, 0.0, 1.0, 0.0)


def shift_down(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return warped(images, 1.0, 0.0, 0.0, 0.0, 1.0, 0.3 * amounts)


def brightness(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    return images * (1 + 0.5 * amounts)


def contrast(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + 0.5 * amounts)


def saturation(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    grey = images.mean(1, keepdim=True)
    return grey + (images - grey) * (1 + 0.9 * amounts)


def sharpness(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    smooth = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return smooth + (images - smooth) * (1 + 0.9 * amounts)


def fewer_levels(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    """256 levels to as few as 16."""
    levels = 2 ** (8 - 4 * amounts.abs()).round() - 1
    return (images * levels).round() / levels


def solarization(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    """What is brighter than a threshold (half of the range at full strength) as a negative."""
    return torch.where(images > 1 - 0.5 * amounts.abs(), 1 - images, images)


def full_range(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    """Each channel stretched to [0, 1]."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(1 / 255)


OPERATIONS = (
    *(unchanged, rotation, shear_across, shear_down, shift_across, shift_down),
    *(brightness, contrast, saturation, sharpness, fewer_levels, solarization, full_range),
)
