"""Selective prediction: what accuracy becomes if the model may keep silent where it is unsure (Geifman, 2017)."""

import math
from collections.abc import Sequence

import torch

from grefel_train.evaluation.metrics import mean

COVERAGES = (1.0, 0.9, 0.8, 0.5)
THRESHOLDS = tuple(step / 10 for step in range(10))


def risk_coverage_curve(scores: torch.Tensor, correct: torch.Tensor) -> torch.Tensor:
    """
    Args:
        scores: (M,), high where the model is sure.
        correct: (M,) bool.

    Returns:
        (M,) float64; entry k - 1 is the share of errors among the k answers with the highest scores. Answers with
        equal scores count in equal parts, so that their order does not matter.
    """
    scores, order = scores.sort(descending=True)
    errors = (~correct[order]).double().cumsum(0)  # (M,)
    last_of_ties = torch.cat([scores[1:] != scores[:-1], torch.tensor([True])])
    ends = last_of_ties.nonzero().flatten()
    block = torch.searchsorted(ends, torch.arange(len(scores)))  # which block of equal scores an entry is in
    starts = torch.cat([torch.tensor([-1]), ends[:-1]])
    before = torch.cat([torch.zeros(1, dtype=torch.double), errors[ends[:-1]]])
    slope = (errors[ends] - before) / (ends - starts)
    counts = torch.arange(1, len(scores) + 1)
    expected = before[block] + slope[block] * (counts - 1 - starts[block])
    return expected / counts


def selective_metrics(scores: torch.Tensor, correct: torch.Tensor) -> dict[str, float]:
    """Area under the risk-coverage curve, and accuracy at the coverages of `COVERAGES`. Shapes as above."""
    risks = risk_coverage_curve(scores, correct)
    at = {f"accuracy_at_coverage_{round(100 * c)}": 1 - at_coverage(risks, c) for c in COVERAGES}
    return {"area_under_risk_coverage": risks.mean().item(), **at}


def at_coverage(risks: torch.Tensor, coverage: float) -> float:
    """The risk if at least this share is answered."""
    return risks[math.ceil(round(coverage * len(risks), 9)) - 1].item()


def curve_points(scores: torch.Tensor, correct: torch.Tensor) -> list[list[float]]:
    """The curve at each per cent of coverage: [coverage, risk]."""
    risks = risk_coverage_curve(scores, correct)
    return [[c / 100, at_coverage(risks, c / 100)] for c in range(1, 101)]


def threshold_table(
    scores: torch.Tensor, correct: torch.Tensor, thresholds: Sequence[float] = THRESHOLDS
) -> list[dict[str, float]]:
    """For "answer only from this score on": coverage, number of answers and their accuracy (NaN if there are none)."""
    rows = []
    for threshold in thresholds:
        answered = scores >= threshold
        row = {"threshold": threshold, "coverage": mean(answered), "answers": int(answered.sum())}
        rows.append(row | {"accuracy": mean(correct[answered])})
    return rows
