"""Whether reliability.json keeps its promises: calibration of the expected accuracy, prediction sets, rejection."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from grefel_hf.model.reliability_balancing import confidence
from grefel_hf.reliability import Reliability
from grefel_train.evaluation.metrics import CALIBRATION_BINS, is_correct
from grefel_train.reliability.sets import set_metrics

SURE = 0.7  # a confidence above which a wrong answer is worse than others


def certainty_metrics(
    reliability: Reliability, distributions: torch.Tensor, scores: np.ndarray | None, labels: torch.Tensor
) -> dict[str, float]:
    """
    answered: share of faces that get a label.
    accuracy_of_answered: how many of these are right.
    expected_calibration_error: of the expected accuracy of these (15 bins of equal width).
    wrong_and_sure: share of all faces that are answered wrongly with a confidence above 0.7.

    Args:
        distributions: corrected ones (M, N).
        scores: of answerability (M,), None where that was not fitted.
        labels: (M,).
    """
    correct, sureness = is_correct(distributions, labels).numpy(), confidence(distributions).numpy()
    answered = is_answered(reliability, scores, len(labels))
    answers = distributions.argmax(-1).tolist()
    expected = np.array(
        [
            reliability.expected_accuracy(reliability.labels[answer], value, None if scores is None else scores[row])[0]
            for row, (answer, value) in enumerate(zip(answers, sureness))
        ]
    )
    return {
        "answered": float(answered.mean()),
        "accuracy_of_answered": mean_of(correct[answered]),
        "expected_calibration_error": calibration_error(expected[answered], correct[answered]),
        "wrong_and_sure": float((answered & ~correct & (sureness > SURE)).mean()),
    }


def prediction_set_metrics(
    reliability: Reliability, distributions: torch.Tensor, scores: np.ndarray | None, labels: torch.Tensor
) -> dict[str, Any]:
    """By level coverage and mean size, overall and by class, of the faces that are answered. Shapes as above."""
    answered = is_answered(reliability, scores, len(labels))
    distributions, labels = distributions.numpy()[answered], labels.numpy()[answered]
    return {
        f"{level:g}": set_metrics(distributions, labels, reliability.method, thresholds, reliability.labels)
        for level, thresholds in reliability.thresholds.items()
    }


def rejection_metrics(
    reliability: Reliability, of_faces: np.ndarray, of_others: dict[str, np.ndarray]
) -> dict[str, Any]:
    """
    The area under the ROC curve of the score of answerability, and how many are answered: faces, and other crops by
    kind and overall, each kind with equal weight.

    Args:
        of_faces: scores (M,).
        of_others: scores by kind.
    """
    threshold = reliability.answerability.threshold
    shares = {kind: float((scores >= threshold).mean()) for kind, scores in of_others.items()}
    others = np.concatenate(list(of_others.values()))
    truth = np.append(np.ones(len(of_faces)), np.zeros(len(others)))
    return {
        "auroc": float(roc_auc_score(truth, np.append(of_faces, others))),
        "faces_answered": float((of_faces >= threshold).mean()),
        "no_faces_answered": float(np.mean(list(shares.values()))),
        "no_faces_answered_by_kind": shares,
        "no_faces": len(others),
    }


def is_answered(reliability: Reliability, scores: np.ndarray | None, count: int) -> np.ndarray:
    """(count,) bool."""
    if scores is None or reliability.answerability is None:
        return np.ones(count, bool)
    return scores >= reliability.answerability.threshold


def calibration_error(expected: np.ndarray, correct: np.ndarray) -> float:
    """Mean distance of expected and found shares (M,) over bins of equal width, by their members; NaN for none."""
    bins = np.minimum((expected * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, expected - correct, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(expected)) if len(expected) else float("nan")


def mean_of(values: np.ndarray) -> float:
    """NaN for none."""
    return float(values.mean()) if len(values) else float("nan")
