"""How likely a given label is wrong: a head that has not seen it, what the checkpoint says, and a rate of errors."""

import numpy as np

from grefel_train.audit.folds import choose_strength, fold_numbers, out_of_fold
from grefel_train.audit.observations import Observations, shares

STEPS = 50  # of estimating the rate of errors
FIRST_RATE = 0.05


def right_distributions(
    seen: Observations, labels: np.ndarray, groups: np.ndarray, num_labels: int, seed: int
) -> np.ndarray:
    """
    Args:
        labels: (M,) given class ids.
        groups: (M,) equal for images that must be in one fold.

    Returns:
        (M, N) how likely each class is the right one, the given label taken into account. One minus the given label's
        entry is the probability that it is wrong.

    Raises:
        ValueError: too few images.
    """
    folds = fold_numbers(labels, groups, seed)
    strength = choose_strength(seen.features, labels, folds, num_labels)
    expected = out_of_fold(seen.features, labels, folds, num_labels, strength)
    return posterior(blended(expected, seen.corrected), labels)


def blended(expected: np.ndarray, corrected: np.ndarray | None) -> np.ndarray:
    """Geometric mean of the head's and the checkpoint's distributions (M, N)."""
    return shares(expected) if corrected is None else shares(np.sqrt(shares(expected) * shares(corrected)))


def posterior(expected: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """
    The right class given an expectation and a label that may be wrong.

    With some rate a label is any of the other classes, each as often; the rate is the one that explains the labels
    best (expectation maximisation). A rate for each pair of classes was tried and is worse: it takes confusions of the
    head for errors of the labels.

    Args:
        expected: (M, N) distributions that have not seen the labels.
        labels: (M,) class ids.

    Returns:
        (M, N) distributions.
    """
    rate, given = FIRST_RATE, np.eye(expected.shape[1], dtype=bool)[labels]  # (M, N)
    for _ in range(STEPS):
        right = shares(expected * np.where(given, 1 - rate, rate / (expected.shape[1] - 1)))
        rate = 1 - right[given].mean()
    return right
