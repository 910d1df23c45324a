"""
SCN: a weight for each image, ranked, and labels that the network contradicts exchanged.

Wang, Peng, Yang, Lu, Qiao: "Suppressing Uncertainties for Large-Scale Facial Expression Recognition", CVPR 2020,
section 3. Here on stored embeddings: the backbone is not trained along.
"""

import torch
from torch import nn

HIGH_SHARE = 0.7  # beta: the images that are to weigh more
MARGIN = 0.15  # delta 1, of the mean weights
CONTRADICTION = 0.2  # delta 2, of the probabilities
FIRST_RELABELLING = 0.25  # of all steps; the paper begins at epoch 10 of 40


class SCN(nn.Module):
    """
    `forward` maps embeddings (B, D) to logits (B, N) and weights (B,) in (0, 1).

    Args:
        embedding_size: D.
        num_labels: N.
    """

    def __init__(self, embedding_size: int, num_labels: int):
        super().__init__()
        self.importance = nn.Linear(embedding_size, 1)
        self.classifier = nn.Linear(embedding_size, num_labels)

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.classifier(embedding), self.importance(embedding).sigmoid().squeeze(-1)


def weighted_loss(logits: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of logits (B, N) scaled by weights (B,); labels (B,)."""
    return nn.functional.cross_entropy(logits * weights[:, None], labels)


def rank_loss(weights: torch.Tensor) -> torch.Tensor:
    """By how much the mean weight of the heavier images fails to exceed that of the others; weights (B,)."""
    ordered = weights.sort(descending=True).values
    high = max(1, min(len(ordered) - 1, round(HIGH_SHARE * len(ordered))))
    return (MARGIN - (ordered[:high].mean() - ordered[high:].mean())).clamp_min(0.0)


@torch.no_grad()
def relabelled(logits: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """
    The likeliest class where it is likelier than the given one by `CONTRADICTION`, among the images of low weight in
    the batch; otherwise the given one.

    Args:
        logits: (B, N).
        weights: (B,).
        labels: (B,) class ids.
    """
    probabilities = logits.softmax(-1)
    top, proposed = probabilities.max(-1)
    given = probabilities.gather(1, labels[:, None]).squeeze(1)
    low = weights.argsort().argsort() < round((1 - HIGH_SHARE) * len(weights))
    return torch.where(low & (top - given > CONTRADICTION), proposed, labels)
