"""What the loss is told to aim at: label distributions, made softer or sharper."""

import torch

from grefel_hf.model.losses import as_distribution


def target_distributions(
    labels: torch.Tensor, num_labels: int, smoothing: float = 0.0, sharpening: float = 1.0
) -> torch.Tensor:
    """
    Args:
        labels: class ids (B,) or distributions (B, N).
        smoothing: share of the uniform distribution that is mixed in, in [0, 1].
        sharpening: exponent G of y^G / sum(y^G); above 1 it draws votes towards the majority's, 1 leaves them.

    Returns:
        (B, N), sharpened first, then smoothed.
    """
    targets = as_distribution(labels, num_labels)
    if sharpening != 1.0:
        targets = targets.pow(sharpening)
        targets = targets / targets.sum(-1, keepdim=True)
    return torch.lerp(targets, torch.full_like(targets, 1.0 / num_labels), smoothing) if smoothing else targets
