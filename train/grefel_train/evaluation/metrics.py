"""
Metrics of distributions against class ids: right or wrong, calibrated, sure where it is right.

The only place for them: training's validation, evaluate.py, the model card and the report all call these functions.
Throughout, distributions are (M, N) floats that sum to 1 over the last axis and labels are (M,) class ids. A figure
that the data cannot give (the recall of a class without images, say) is NaN. A class counts in an unweighted mean if
an image shows it.
"""

import math
from collections.abc import Sequence

import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import (
    binary_auroc,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from grefel_hf.model.reliability_balancing import PROBABILITY_EPSILON, confidence

CALIBRATION_BINS = 15
# torchmetrics has bins [a, b), so that a probability of exactly 1 would be in a bin of its own.
BELOW_ONE = 1.0 - 2.0**-24


def classification_metrics(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """
    What training watches: accuracy, macro_recall (balanced accuracy) and macro_f1, expected_calibration_error (15 bins
    of equal width, on the top probability), samples.
    """
    confusion = confusion_matrix(distributions, labels)
    by_class = class_metrics(confusion)
    shown = by_class["support"] > 0
    return {
        "accuracy": (confusion.trace() / confusion.sum()).item(),
        "macro_recall": by_class["recall"][shown].mean().item(),
        "macro_f1": by_class["f1"][shown].mean().item(),
        "expected_calibration_error": calibration_error(distributions, labels, "l1"),
        "samples": len(labels),
    }


def probability_metrics(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """
    How good the probabilities are: maximum_calibration_error (the worst bin), overconfidence (the mean top probability
    minus accuracy), brier_score (in [0, 2]),
    negative_log_likelihood (nats), and two areas under the ROC curve: how well the confidence of Eq. 10
    (confidence_auroc) and the top probability (top_probability_auroc) tell right answers from wrong ones.
    """
    correct = is_correct(distributions, labels)
    likelihoods = distributions.gather(-1, labels[:, None]).clamp_min(PROBABILITY_EPSILON)
    classes = list(range(distributions.shape[-1]))
    brier = brier_score_loss(labels.numpy(), distributions.numpy(), labels=classes, scale_by_half=False)
    return {
        "maximum_calibration_error": calibration_error(distributions, labels, "max"),
        "overconfidence": mean(top_probability(distributions)) - mean(correct),
        "brier_score": float(brier),
        "negative_log_likelihood": -likelihoods.log().mean().item(),
        "confidence_auroc": auroc(confidence(distributions), correct),
        "top_probability_auroc": auroc(top_probability(distributions), correct),
    }


def is_correct(distributions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(M,) bool."""
    return distributions.argmax(-1) == labels


def top_probability(distributions: torch.Tensor) -> torch.Tensor:
    """(M,), in [1 / N, 1)."""
    return distributions.max(-1).values.clamp(max=BELOW_ONE)


def confusion_matrix(distributions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Counts (N, N), rows the true classes, columns the answers."""
    num_labels = distributions.shape[-1]
    return multiclass_confusion_matrix(distributions.argmax(-1), labels, num_labels, validate_args=False)


def class_metrics(confusion: torch.Tensor) -> dict[str, torch.Tensor]:
    """precision, recall, f1 and support, each (N,), from counts (N, N)."""
    hits, support, answers = confusion.diag().float(), confusion.sum(1), confusion.sum(0)
    return {
        "precision": hits / answers,
        "recall": hits / support,
        "f1": 2 * hits / (answers + support),
        "support": support,
    }


def recall_by_class(distributions: torch.Tensor, labels: torch.Tensor, names: Sequence[str]) -> dict[str, float]:
    """Recall of each class by its name."""
    recall = class_metrics(confusion_matrix(distributions, labels))["recall"]
    return dict(zip(names, recall.tolist()))


def calibration_error(distributions: torch.Tensor, labels: torch.Tensor, norm: str) -> float:
    """Expected ("l1") or maximum ("max") calibration error of the top probability."""
    error = multiclass_calibration_error(
        distributions.clamp(max=BELOW_ONE),
        labels,
        distributions.shape[-1],
        n_bins=CALIBRATION_BINS,
        norm=norm,
        validate_args=False,
    )
    return error.item()


def reliability_bins(distributions: torch.Tensor, labels: torch.Tensor) -> list[dict[str, float]]:
    """The bins of the calibration errors: lower and upper edge, samples, mean confidence, accuracy."""
    edges = torch.linspace(0, 1, CALIBRATION_BINS + 1)
    top, correct = top_probability(distributions), is_correct(distributions, labels).double()
    index = torch.bucketize(top, edges, right=True) - 1
    rows = []
    for number in range(CALIBRATION_BINS):
        members = index == number
        row = {"lower": edges[number].item(), "upper": edges[number + 1].item(), "samples": int(members.sum())}
        rows.append(row | {"confidence": mean(top[members]), "accuracy": mean(correct[members])})
    return rows


def auroc(scores: torch.Tensor, correct: torch.Tensor) -> float:
    """Chance that a right answer's score (in [0, 1]) is above a wrong one's; NaN if all are right, or all wrong."""
    if correct.all() or not correct.any():
        return math.nan
    return binary_auroc(scores, correct.long(), validate_args=False).item()


def mean(values: torch.Tensor) -> float:
    """NaN for no values."""
    return values.double().mean().item()
