"""
Reliability balancing (sections 3.2 and 3.3 of the paper): confidence, anchors, attention, and their combination.

Distributions are tensors (..., N) that are non-negative and sum to 1 over the last axis.
"""

import math

import torch
from torch import nn

from .epsilons import CONFIDENCE_EPSILON, DISTANCE_EPSILON, PROBABILITY_EPSILON


def confidence(distribution: torch.Tensor) -> torch.Tensor:
    """
    Eq. 10 and 11: one minus the entropy over its largest possible value log N.

    The paper prints a division by N, but says that the uniform distribution has normalised entropy 1, which only
    holds for log N.

    Args:
        distribution: (..., N).

    Returns:
        (...), in [0, 1]: 0 for the uniform distribution, 1 for a one-hot one.
    """
    entropy = -(distribution * distribution.clamp_min(PROBABILITY_EPSILON).log()).sum(-1)
    return (1.0 - entropy / math.log(distribution.shape[-1])).clamp(0.0, 1.0)


def squared_anchor_distances(embedding: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """
    Squared Euclidean distances of embeddings (B, D) to anchors (N, K, D).

    Returns:
        (B, N, K). Summed from differences: |e|^2 + |a|^2 - 2ea cancels badly for an embedding close to an anchor.
    """
    return (embedding[:, None, None] - anchors[None]).square().sum(-1)


def anchor_similarities(squared_distances: torch.Tensor, temperature: float | torch.Tensor) -> torch.Tensor:
    """
    Eq. 13 and 14: softmax of minus the distance over delta, over all anchors of all classes.

    Args:
        squared_distances: (B, N, K).
        temperature: delta.

    Returns:
        (B, N, K), sums to 1 over the last two axes.
    """
    distances = (squared_distances + DISTANCE_EPSILON).sqrt()
    return (-distances / temperature).flatten(1).softmax(-1).view_as(distances)


def geometric_correction(similarities: torch.Tensor) -> torch.Tensor:
    """Eq. 12 and 15: similarities (B, N, K) summed over each class's anchors give the distribution t_g (B, N)."""
    return similarities.sum(-1)


def combine_by_confidence(first: torch.Tensor, second: torch.Tensor, detach_confidences: bool = False) -> torch.Tensor:
    """
    Eq. 18 and 19: the mean of two distributions (B, N), each weighted by its confidence.

    With `detach_confidences` the weights are constants to the gradient, so that no part is taught to be sure in order
    to be heard.

    Epsilon stands in numerators and denominator, so that the weights sum to exactly 1 (and the result to 1) even
    where both distributions are uniform.
    """
    first_weight = confidence(first) + CONFIDENCE_EPSILON
    second_weight = confidence(second) + CONFIDENCE_EPSILON
    share = (first_weight / (first_weight + second_weight)).unsqueeze(-1)  # (B,) -> (B, 1)
    share = share.detach() if detach_confidences else share
    return share * first + (1.0 - share) * second


def correct_distribution(
    primary: torch.Tensor,
    geometric: torch.Tensor | None,
    attentive: torch.Tensor | None,
    detach_confidences: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    From the primary distribution and the corrections that are in use to the final one (Eq. 18 and 19).

    Args:
        primary: l, (B, N).
        geometric: t_g, (B, N), or None without anchors.
        attentive: t_a, (B, N), or None without attentive correction.
        detach_confidences: let no gradient through the confidences.

    Returns:
        The corrected distribution L_final (B, N) and the combined correction t (B, N). With one correction that one
        is t; with neither t is None and L_final is l, the paper's "without reliability balancing".
    """
    if geometric is not None and attentive is not None:
        correction = combine_by_confidence(geometric, attentive, detach_confidences)
    else:
        correction = geometric if geometric is not None else attentive
    if correction is None:
        return primary, None
    return combine_by_confidence(primary, correction, detach_confidences), correction


class GReFELAnchors(nn.Module):
    """
    K learnable points per class in the space of the embedding.

    They start random: anchors that are all alike make t_g uniform and its gradient 0. A learned temperature is kept
    as its logarithm, so that it stays positive.

    With the cosine distance embeddings and anchors are brought to length sqrt(D) first, so that a component has about
    unit variance and Euclidean distances are a function of the angle: squared, 2D (1 - cos).
    """

    def __init__(
        self,
        num_labels: int,
        num_anchors: int,
        hidden_size: int,
        temperature: float,
        learn_temperature: bool = False,
        distance: str = "euclidean",
    ):
        super().__init__()
        self.distance = distance
        self.initial_temperature = temperature
        self.positions = nn.Parameter(torch.zeros(num_labels, num_anchors, hidden_size))
        self.log_temperature = nn.Parameter(torch.zeros(())) if learn_temperature else None

    @property
    def temperature(self) -> float | torch.Tensor:
        """Delta of Eq. 14."""
        return self.initial_temperature if self.log_temperature is None else self.log_temperature.float().exp()

    def comparable(self, points: torch.Tensor) -> torch.Tensor:
        """Embeddings or anchors (..., D) as the distance sees them: all of length sqrt(D) for the cosine distance."""
        if self.distance == "euclidean":
            return points
        return nn.functional.normalize(points, dim=-1) * int(points.shape[-1]) ** 0.5

    def squared_distances(self, embedding: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, D) to squared distances (B, N, K) by the config's measure."""
        return squared_anchor_distances(self.comparable(embedding), self.comparable(self.positions.float()))

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (B, D) to similarities (B, N, K) and squared distances (B, N, K)."""
        squared_distances = self.squared_distances(embedding)
        return anchor_similarities(squared_distances, self.temperature), squared_distances


class GReFELAttentiveCorrection(nn.Module):
    """
    Eq. 16 and 17: multi-head self-attention over one image's tokens, read at the CLS row, as a label distribution.

    The attention runs over the encoder's tokens of one image. On the embedding alone it would be degenerate (a
    softmax over one key is 1), and over the batch it would make a prediction depend on its batch mates. Only the CLS
    row is read, so only its query is computed.
    """

    def __init__(self, num_labels: int, hidden_size: int, correction_size: int, num_heads: int, layer_norm_eps: float):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = correction_size // num_heads
        self.query = nn.Linear(hidden_size, correction_size)
        self.key_value = nn.Linear(hidden_size, 2 * correction_size)
        self.output = nn.Linear(correction_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.classifier = nn.Linear(hidden_size, num_labels)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            tokens: (B, 1 + T, D), CLS first.

        Returns:
            t_a (B, N), and the attention of CLS over the T visual tokens (B, T), mean over heads.
        """
        length = int(tokens.shape[1])  # int: a constant in an ONNX trace
        query = self.query(tokens[:, :1]).view(-1, 1, self.num_heads, self.head_dim).transpose(1, 2)
        key_value = self.key_value(tokens).view(-1, length, 2, self.num_heads, self.head_dim)
        key, value = key_value.permute(2, 0, 3, 1, 4).unbind()  # (B, L, 2, h, d) -> 2 x (B, h, L, d)
        scores = query @ key.transpose(-1, -2) * self.head_dim**-0.5  # (B, h, 1, L)
        weights = scores.float().softmax(-1)
        context = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(1)  # (B, h, 1, d) -> (B, h * d)
        correction = self.classifier(self.norm(self.output(context))).float().softmax(-1)
        return correction, weights[:, :, 0, 1:].mean(1)
