"""What was measured of the model on the page: its evaluation.json, which train/evaluate.py writes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.files import read_json
from grefel_hf.hub import EVALUATION_FILE, checkpoint_folder
from grefel_hf.reliability import Reliability


def load_evaluation(model: str | None) -> dict[str, Any]:
    """The figures of a folder, a Hub id or (None) the bundled checkpoint; {} where there are none to be read."""
    try:
        folder = checkpoint_folder(str(BUNDLED_CHECKPOINT if model is None else model))
        evaluation = read_json(folder / EVALUATION_FILE)
    except Exception:  # the page works without: no such file, no network, no JSON
        return {}
    return evaluation if isinstance(evaluation, dict) else {}


def figure(evaluation: dict[str, Any], *keys: str) -> Any:
    """The entry at this path of keys, None where one is missing."""
    for key in keys:
        evaluation = evaluation.get(key) if isinstance(evaluation, dict) else None
    return evaluation


@dataclass(frozen=True)
class Coverage:
    """
    If the model answered only from this confidence on: the share of validation faces that it would answer, how often
    it would be right on those, and on the others (None if there are none).
    """

    threshold: float
    share: float
    accuracy: float
    accuracy_below: float | None


def coverage_at(evaluation: dict[str, Any], threshold: float) -> Coverage | None:
    """The row of the table of thresholds for this one; None where it was not measured."""
    rows = figure(evaluation, "plain", "corrected", "confidence_thresholds") or []
    row = next((row for row in rows if abs(row["threshold"] - threshold) < 1e-6), None)
    overall = figure(evaluation, "plain", "corrected", "accuracy")
    if row is None or row["accuracy"] is None or overall is None:
        return None
    share, accuracy = row["coverage"], row["accuracy"]
    below = (overall - share * accuracy) / (1 - share) if share < 1 else None
    return Coverage(threshold, share, accuracy, below)


LEAST_ASKED = 40  # of 100: hardly an answer is less certain


def coverage_by_strictness(
    evaluation: dict[str, Any], reliability: Reliability | None
) -> dict[int, tuple[float, float]]:
    """
    If only answers were given of which at least so many in 100 are right: the share of validation faces that would be
    answered, and how many of these rightly. Of evaluations that did not measure this, by the confidence from which on
    so many are right; {} where that is not known either.
    """
    measured = figure(evaluation, "certainty", "answer_only")
    if measured:
        return {row["right_in_100"]: (row["coverage"], row["accuracy"]) for row in measured}
    rows = figure(evaluation, "plain", "corrected", "confidence_thresholds") or []
    rows = [row for row in rows if row["accuracy"] is not None]
    if reliability is None or not rows:
        return {}
    thresholds, shares, accuracies = ([row[name] for row in rows] for name in ("threshold", "coverage", "accuracy"))
    confidences = np.linspace(0, 1, 1001)
    expected = np.array([reliability.accuracy(confidence)[0] for confidence in confidences])
    found = {}
    for least in range(LEAST_ASKED + 1, 100):
        enough = confidences[np.round(100 * expected) >= least]
        if len(enough):
            found[least] = tuple(float(np.interp(enough[0], thresholds, values)) for values in (shares, accuracies))
    return found
