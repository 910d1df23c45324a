"""How likely a given label is wrong: a head that has not seen it, what the checkpoint says, and a rate of errors."""

import numpy as np

from grefel_train.audit.folds import choose_strength, fold_numbers, out_of_fold
from grefel_train.audit.observations import Observations, shares

STEPS = 50  # of estimating the rate of errors
FIRST_RATE = 0.05  # and the only one where the checkpoint does not know the classes
PRIOR_IMAGES = 100  # so many images are imagined to have that rate: a few real ones do not tell it
LEAST_LEFT = 0.3  # of a head's probability, when errors are taken off it


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
    return posterior(out_of_fold(seen.features, labels, folds, num_labels, strength), seen.corrected, labels)


def posterior(head: np.ndarray, corrected: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    """
    The right class, by what is expected without the label and by the label, which may be wrong.

    With some rate a label is any of the other classes, each as often. Where the checkpoint knows the classes, the rate
    is the one that explains the labels best (expectation maximisation); a head alone, which learned from the same
    labels, cannot tell it. A rate for each pair of classes was tried and is worse: it takes confusions of the head for
    errors of the labels. Errors that the head has learned to expect are taken off before its distribution and the
    checkpoint's are combined (geometric mean).

    Args:
        head: (M, N) distributions that have not seen the labels.
        corrected: (M, N) what the checkpoint says, or None.
        labels: (M,) class ids.

    Returns:
        (M, N) distributions.
    """
    rate, given, others = FIRST_RATE, np.eye(head.shape[1], dtype=bool)[labels], head.shape[1] - 1
    for _ in range(STEPS):
        expected = blended(np.maximum(head - rate / others, LEAST_LEFT * head), corrected)
        right = shares(expected * np.where(given, 1 - rate, rate / others))
        if corrected is None:
            break
        wrong = (1 - right[given]).sum()
        rate = (wrong + FIRST_RATE * PRIOR_IMAGES) / (len(labels) + PRIOR_IMAGES)
    return right


def blended(head: np.ndarray, corrected: np.ndarray | None) -> np.ndarray:
    """Geometric mean of the head's and the checkpoint's distributions (M, N), brought to a sum of 1."""
    return shares(head) if corrected is None else shares(np.sqrt(shares(head) * shares(corrected)))
