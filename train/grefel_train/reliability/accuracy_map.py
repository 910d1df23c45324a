"""From the confidence of an answer to the share of such answers that were right."""

import numpy as np
from sklearn.isotonic import isotonic_regression

from grefel_hf.reliability import AccuracyMap

LEAST_ANSWERS = 150  # for a map of a class's own
ANSWERS_PER_STEP = 40
Z = 1.96  # of a 95 % interval


def fit_accuracy_map(confidence: np.ndarray, correct: np.ndarray) -> AccuracyMap:
    """
    Answers in order of confidence, in steps of about 40, each with its share of right ones; neighbouring steps that
    would fall are joined (isotonic regression).

    Args:
        confidence: (M,), in [0, 1].
        correct: (M,) bool.
    """
    order = np.argsort(confidence, kind="stable")
    steps = np.array_split(order, max(1, len(order) // ANSWERS_PER_STEP))
    counts = np.array([len(step) for step in steps])
    shares = np.array([correct[step].mean() for step in steps])
    level = isotonic_regression(shares, sample_weight=counts)
    blocks = np.split(np.arange(len(steps)), np.flatnonzero(np.diff(level) > 1e-9) + 1)
    members = [np.concatenate([steps[i] for i in block]) for block in blocks]
    # A block of equal confidences would have the one before or after it at the same place.
    centres = np.array([confidence[rows].mean() for rows in members])
    rising = np.append(np.diff(centres) > 0, True)
    total = np.array([len(rows) for rows in members])[rising]
    right = np.array([correct[rows].sum() for rows in members])[rising]
    low, high = wilson_interval(right, total)
    # Half a right and half a wrong one more: 40 of 40 is not all.
    accuracy = np.maximum.accumulate((right + 0.5) / (total + 1)).clip(low, high)
    return AccuracyMap(centres[rising], np.maximum.accumulate(accuracy), *map(np.maximum.accumulate, (low, high)))


def fit_class_maps(
    confidence: np.ndarray, correct: np.ndarray, answers: np.ndarray, labels: tuple[str, ...]
) -> dict[str, AccuracyMap]:
    """Of each class that was answered often enough. `answers`: (M,) class ids."""
    maps = {}
    for number, label in enumerate(labels):
        mine = answers == number
        if mine.sum() >= LEAST_ANSWERS:
            maps[label] = fit_accuracy_map(confidence[mine], correct[mine])
    return maps


def wilson_interval(right: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of shares right / total, each of any shape, by Wilson's score (1927)."""
    share, spread = right / total, Z**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return (centre - half).clip(0, 1), (centre + half).clip(0, 1)
