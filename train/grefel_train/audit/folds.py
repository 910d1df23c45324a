"""Out-of-fold distributions: what a light head, which has not seen an image's own label, says about the image."""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from grefel_hf.model.reliability_balancing import PROBABILITY_EPSILON

FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1)  # inverses of the penalty on the head's weights


def fold_numbers(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """
    (M,) which fold each image is in: about as many of each class in each, and never two of a group in different ones,
    for a copy would tell the label.

    Raises:
        ValueError: there are fewer groups than folds.
    """
    if len(np.unique(groups)) < FOLDS:
        raise ValueError(f"there are {len(np.unique(groups))} different images: an audit takes {FOLDS} at least.")
    numbers = np.empty(len(labels), int)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer images than folds is in some of them only
        for number, (_, held_out) in enumerate(folds.split(labels, labels, groups)):
            numbers[held_out] = number
    return numbers


def choose_strength(features: np.ndarray, labels: np.ndarray, folds: np.ndarray, num_labels: int) -> float:
    """Of `STRENGTHS` the one under which labels are likeliest out of fold, wrong ones among them."""

    def surprise(strength: float) -> float:
        expected = out_of_fold(features, labels, folds, num_labels, strength)
        return -np.log(np.maximum(expected[np.arange(len(labels)), labels], PROBABILITY_EPSILON)).mean()

    return min(STRENGTHS, key=surprise)


def out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    num_labels: int,
    strength: float,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """
    Args:
        features: (M, F).
        labels: (M,) class ids.
        folds: (M,) by `fold_numbers`.
        strength: inverse of the penalty on the head's weights.
        weights: (M,) how much each image counts in the fit; all the same by default.

    Returns:
        (M, N) distributions, each by multinomial logistic regression on the other folds.
    """
    found = np.zeros((len(labels), num_labels))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        if len(present := np.unique(labels[outside])) < 2:
            found[inside, present] = 1.0
            continue
        head = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200, tol=1e-3))
        options = {} if weights is None else {"logisticregression__sample_weight": weights[outside]}
        head.fit(features[outside], labels[outside], **options)
        found[np.ix_(inside, present)] = head.predict_proba(features[inside])
    return found
