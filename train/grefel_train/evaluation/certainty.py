"""Whether reliability.json keeps its promises: calibration of the expected accuracy, prediction sets, rejection."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from grefel_hf.model.reliability_balancing import confidence
from grefel_hf.reliability import Reliability
from grefel_hf.results import ANSWERS
from grefel_train.data.adapters.ferplus import unreadable_images
from grefel_train.data.sources import dataset_format
from grefel_train.evaluation.collect import Collected
from grefel_train.evaluation.images import EvaluationData
from grefel_train.evaluation.metrics import CALIBRATION_BINS, is_correct
from grefel_train.reliability.no_faces import SPOILT, no_faces
from grefel_train.reliability.seen import Seen, crops_of
from grefel_train.reliability.sets import set_metrics

FACES_TO_SPOIL = 240  # that crops without a face are made of
SURE = 0.7  # a confidence above which a wrong answer is worse than others


def measure_certainty(
    reliability: Reliability,
    seen: Collected,
    data: EvaluationData,
    see: Callable[[Iterable[Image.Image], str], Seen],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """
    `certainty_metrics`, `answer_only` and `prediction_sets` of the labelled faces, `rejection` of crops without a face
    that are made of them, and there, of FER+, `unreadable`, the number of images that its taggers could not read, and
    `unreadable_answered`, the share of these that get a label.

    Args:
        see: the network over crops, with a title.
    """
    chosen = seen.select(np.flatnonzero(data.labels[seen.rows] >= 0))
    measured = (chosen.distributions[ANSWERS[-1]], chosen.answerability, torch.from_numpy(data.labels[chosen.rows]))
    found = certainty_metrics(reliability, *measured)
    found["answer_only"] = answer_only_table(reliability, *measured)
    found["prediction_sets"] = prediction_set_metrics(reliability, *measured)
    if reliability.answerability is None:
        return found
    rows = chosen.rows[np.argsort(chosen.digests, kind="stable")][:FACES_TO_SPOIL]
    others = no_faces(list(crops_of(data.images.select(rows))), FACES_TO_SPOIL // len(SPOILT), args.seed)
    of_others = {kind: reliability.answerability(see(some, kind).outputs) for kind, some in others.items()}
    found["rejection"] = rejection_metrics(reliability, chosen.answerability, of_others)
    unreadable = []
    if args.dataset_dir and dataset_format(args) == "ferplus":
        unreadable = list(crops_of(unreadable_images(args.dataset_dir, data.split)))
    if unreadable:
        seen = see(unreadable, "faces that nobody can read")
        shown = is_answered(reliability, reliability.answerability(seen.outputs), len(seen))
        found["rejection"] |= {"unreadable": len(shown), "unreadable_answered": float(shown.mean())}
    return found


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
    expected = expected_accuracies(reliability, distributions, scores)
    return {
        "answered": float(answered.mean()),
        "accuracy_of_answered": mean_of(correct[answered]),
        "expected_calibration_error": calibration_error(expected[answered], correct[answered]),
        "wrong_and_sure": float((answered & ~correct & (sureness > SURE)).mean()),
    }


def answer_only_table(
    reliability: Reliability, distributions: torch.Tensor, scores: np.ndarray | None, labels: torch.Tensor
) -> list[dict[str, float]]:
    """
    If only answers were given of which at least `right_in_100` in 100 are expected to be right: the share of faces that
    would be answered, and how many of these are right, up to where there are none. Shapes as above.
    """
    correct, answered = is_correct(distributions, labels).numpy(), is_answered(reliability, scores, len(labels))
    right_in_100 = np.minimum(np.round(100 * expected_accuracies(reliability, distributions, scores)), 99)
    chosen = {least: answered & (right_in_100 >= least) for least in range(100)}
    return [
        {"right_in_100": least, "coverage": float(rows.mean()), "accuracy": mean_of(correct[rows])}
        for least, rows in chosen.items()
        if rows.any()
    ]


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


def expected_accuracies(reliability: Reliability, distributions: torch.Tensor, scores: np.ndarray | None) -> np.ndarray:
    """Of each answer (M,). Shapes as above."""
    answers, sureness = distributions.argmax(-1).tolist(), confidence(distributions).tolist()
    return np.array(
        [
            reliability.expected_accuracy(reliability.labels[answer], value, None if scores is None else scores[row])[0]
            for row, (answer, value) in enumerate(zip(answers, sureness))
        ]
    )


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
