"""The three losses of section 3.4 of the paper, as pure functions."""

import torch

from .reliability_balancing import PROBABILITY_EPSILON

IGNORED_LABEL = -100  # as in torch.nn.functional.cross_entropy


def as_distribution(labels: torch.Tensor, num_labels: int) -> torch.Tensor:
    """
    Class ids (B,) to one-hot rows (B, N); distributions (B, N) stay as they are.

    Returns:
        (B, N) float32. A row of zeros belongs to an image without a label: its id, or each entry of its row, is -100.

    Raises:
        ValueError: for another shape, for floating point labels of shape (B,), for ids that are no class, and for
            rows that have negative entries or do not sum to more than 0.
    """
    if labels.ndim == 1 and not labels.is_floating_point():
        ignored = labels == IGNORED_LABEL
        _check(ignored | ((labels >= 0) & (labels < num_labels)), f"class ids must lie in [0, {num_labels}) or be -100")
        target = torch.nn.functional.one_hot(labels.long().masked_fill(ignored, 0), num_labels)
        return target.float().masked_fill(ignored[:, None], 0.0)
    if labels.ndim == 2 and labels.shape[1] == num_labels:
        ignored = (labels == IGNORED_LABEL).all(-1)
        positive = (labels >= 0).all(-1) & (labels.sum(-1) > 0)
        _check(ignored | positive, "rows of labels must have no negative entry and a sum above 0, or be all -100")
        return labels.float().masked_fill(ignored[:, None], 0.0)
    raise ValueError(
        f"labels have shape {tuple(labels.shape)} and dtype {labels.dtype}: give class ids (B,) as integers or "
        f"distributions (B, {num_labels})."
    )


def _check(valid: torch.Tensor, message: str):
    """Raises ValueError unless all of (B,) are true; under a compiler, which has no values, nothing happens."""
    if not torch.compiler.is_compiling() and valid.device.type != "meta" and not valid.all():
        raise ValueError(f"{message}; the labels at {(~valid).nonzero().flatten().tolist()[:8]} are not")


def mean_over_labelled(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean of (B,) over images with a label, those whose row of `target` (B, N) is not zero; 0 without any."""
    labelled = target.sum(-1) > 0
    return (values * labelled).sum() / labelled.sum().clamp_min(1)


def classification_loss(
    distribution: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Eq. 20: negative log-likelihood of the corrected distribution, mean over the images with a label.

    Args:
        distribution: L_final, (B, N).
        target: y, (B, N).
        class_weights: (N,), multiplies each class's term; the mean is then weighted, as in cross entropy.
    """
    log_likelihood = distribution.clamp_min(PROBABILITY_EPSILON).log()
    if class_weights is None:
        return mean_over_labelled(-(target * log_likelihood).sum(-1), target)
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
    Eq. 22: squared distance per dimension to the nearest anchor of the own class, mean over the images with a label.

    Args:
        squared_distances: of the embeddings to all anchors, (B, N, K).
        target: y, (B, N); a distribution weighs its classes' nearest anchors.
        dimension: D of the embeddings.
    """
    nearest = squared_distances.amin(-1) / dimension  # (B, N, K) -> (B, N)
    return mean_over_labelled((target * nearest).sum(-1), target)
