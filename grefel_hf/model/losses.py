"""The three losses of section 3.4 of the paper, as pure functions."""

import torch

from .reliability_balancing import PROBABILITY_EPSILON


def as_distribution(labels: torch.Tensor, num_labels: int) -> torch.Tensor:
    """
    Class ids (B,) to one-hot rows (B, N); distributions (B, N) stay as they are.

    Raises:
        ValueError: for another shape, or for floating point labels of shape (B,).
    """
    if labels.ndim == 1 and not labels.is_floating_point():
        return torch.nn.functional.one_hot(labels.long(), num_labels).float()
    if labels.ndim == 2 and labels.shape[1] == num_labels:
        return labels.float()
    raise ValueError(
        f"labels have shape {tuple(labels.shape)} and dtype {labels.dtype}: give class ids (B,) as integers or "
        f"distributions (B, {num_labels})."
    )


def classification_loss(
    distribution: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Eq. 20: negative log-likelihood of the corrected distribution, mean over the batch.

    Args:
        distribution: L_final, (B, N).
        target: y, (B, N).
        class_weights: (N,), multiplies each class's term; the mean is then weighted, as in cross entropy.
    """
    log_likelihood = distribution.clamp_min(PROBABILITY_EPSILON).log()
    if class_weights is None:
        return -(target * log_likelihood).sum(-1).mean()
    weighted = target * class_weights
    return -(weighted * log_likelihood).sum() / weighted.sum().clamp_min(PROBABILITY_EPSILON)


def anchor_loss(anchors: torch.Tensor, margin: float | torch.Tensor) -> torch.Tensor:
    """
    Eq. 21, bounded: how much closer than a margin the anchors are, mean over pairs.

    As printed, the loss is minus a sum of squared distances, which has no lower bound: minimising it sends the
    anchors to infinity. Here a pair stops repelling at a squared distance per dimension of `margin`, which keeps the
    purpose (room between anchors) and the gradient of the printed loss inside the margin.

    Args:
        anchors: (N, K, D).
        margin: in squared distance divided by D; the model takes a multiple of the embeddings' variance, because a
            margin beyond their spread drives all anchors to where they are equally far from every embedding.
    """
    points = anchors.flatten(0, 1)  # (N, K, D) -> (N * K, D)
    first, second = torch.triu_indices(len(points), len(points), offset=1, device=points.device)
    squared_distances = (points[first] - points[second]).square().mean(-1)  # (pairs,)
    return (margin - squared_distances).clamp_min(0.0).mean()


def center_loss(squared_distances: torch.Tensor, target: torch.Tensor, dimension: int) -> torch.Tensor:
    """
    Eq. 22: squared distance per dimension to the nearest anchor of the own class, mean over the batch.

    Args:
        squared_distances: of the embeddings to all anchors, (B, N, K).
        target: y, (B, N); a distribution weighs its classes' nearest anchors.
        dimension: D of the embeddings.
    """
    nearest = squared_distances.amin(-1) / dimension  # (B, N, K) -> (B, N)
    return (target * nearest).sum(-1).mean()
