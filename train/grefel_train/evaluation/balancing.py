"""What reliability balancing did to the primary head's answers."""

from collections.abc import Sequence

import torch

from grefel_hf.model.reliability_balancing import confidence
from grefel_hf.results import PARTS
from grefel_train.evaluation.metrics import is_correct, mean


def balancing_effect(
    primary: torch.Tensor, corrected: torch.Tensor, labels: torch.Tensor, names: Sequence[str]
) -> dict:
    """
    How many top labels changed (labels_changed), from wrong to right (mended), from right to wrong (spoilt), the rest
    from one error to another; the same by true class. Distributions (M, N), labels (M,).
    """
    changed = primary.argmax(-1) != corrected.argmax(-1)
    was_right, is_right = is_correct(primary, labels), is_correct(corrected, labels)
    events = {"labels_changed": changed, "mended": is_right & ~was_right, "spoilt": was_right & ~is_right}

    def counts(members: torch.Tensor) -> dict[str, int]:
        return {name: int((event & members).sum()) for name, event in events.items()}

    classes = {name: counts(labels == index) for index, name in enumerate(names)}
    return {**counts(torch.ones_like(changed)), "by_class": classes}


def mean_confidences(distributions: dict[str, torch.Tensor], labels: torch.Tensor) -> dict[str, dict[str, float]]:
    """Mean confidence (Eq. 10) of each part that the model has: over all, and where the answer is right or wrong."""
    right = is_correct(distributions["corrected"], labels)
    means = {}
    for part in PARTS:
        if part in distributions:
            values = confidence(distributions[part])
            means[part] = {"all": mean(values), "right": mean(values[right]), "wrong": mean(values[~right])}
    return means
