"""Reliability balancing with and without its parts for one face: the four rows of the paper's Table 2."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .model.reliability_balancing import confidence, correct_distribution
from .results import PARTS, FacePrediction


@dataclass(frozen=True, eq=False)
class BalancingSetup:
    """
    What the model answers with these switches.

    use_anchors, use_attentive_correction: the switches of the same names in `GReFELConfig`.
    labels: class names, in the model's order.
    distribution: probabilities (N,), L_final of Eq. 19; l of Eq. 9 where both switches are off.
    confidence: Eq. 10 of it.
    """

    use_anchors: bool
    use_attentive_correction: bool
    labels: tuple[str, ...]
    distribution: np.ndarray
    confidence: float

    @property
    def label(self) -> str:
        """The top class."""
        return self.labels[int(self.distribution.argmax())]

    @property
    def score(self) -> float:
        """Its probability."""
        return float(self.distribution.max())

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "use_anchors": self.use_anchors,
            "use_attentive_correction": self.use_attentive_correction,
            "label": self.label,
            "score": self.score,
            "distribution": dict(zip(self.labels, self.distribution.tolist())),
            "confidence": self.confidence,
        }


def compare_balancing(face: FacePrediction) -> list[BalancingSetup]:
    """
    The answers for one face with each combination of the parts that its model has, in the order of Table 2: neither,
    anchors, attention, both.

    The switches are thrown at prediction time, on one set of weights that were trained with every part in use. The
    paper's Table 2 compares models that were each trained with their own setup.
    """
    primary, geometric, attentive = (_batch(getattr(face, part)) for part in PARTS[:3])
    setups = []
    for use_attention in (False, True)[: 1 if attentive is None else 2]:
        for use_anchors in (False, True)[: 1 if geometric is None else 2]:
            corrected, _ = correct_distribution(
                primary, geometric if use_anchors else None, attentive if use_attention else None
            )
            sure = float(confidence(corrected))
            setups.append(BalancingSetup(use_anchors, use_attention, face.labels, corrected[0].numpy(), sure))
    return setups


def _batch(values: np.ndarray | None) -> torch.Tensor | None:
    return None if values is None else torch.as_tensor(values, dtype=torch.float32)[None]  # (N,) -> (1, N)
