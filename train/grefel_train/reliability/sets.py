"""
Prediction sets by split conformal prediction (Vovk et al., 2005), with a threshold for each class (Vovk, 2012).

Of faces like those that the thresholds were fitted to, sets of 90 % hold the label of 90 in 100; of each class that is
frequent enough, and of all rare ones together, of 87 at least.
"""

from collections.abc import Mapping

import numpy as np

from grefel_hf.reliability import LEVELS, METHODS, SET_LEVEL, in_prediction_set, nonconformity

LEAST_IMAGES = 50  # of a class with a threshold of its own; the others share one, fitted to all of theirs
FOLDS = 5
LEAST_COVERAGE = 0.87  # of each such class at 90 %, in cross-validation, for a method to be chosen
# So much less than the level may be asked of each class where all of them together are covered as promised all the
# same: the label on top is in every set, which covers classes that are easy more often than anybody asked for.
ALLOWANCES = (0.03, 0.02, 0.01, 0.0)


def conformal_quantile(scores: np.ndarray, level: float) -> float:
    """The score below or at which a new one lies with a chance of `level`: one rank above that of the fitted ones."""
    rank = int(np.ceil((len(scores) + 1) * level))
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def fit_thresholds(distributions: np.ndarray, labels: np.ndarray, method: str, level: float) -> np.ndarray:
    """
    (N,) thresholds of `nonconformity` by class.

    Args:
        distributions: (M, N).
        labels: (M,) class ids.
    """
    scores = nonconformity(distributions, method)[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=distributions.shape[-1])
    rare = counts[labels] < LEAST_IMAGES
    enough = rare.sum() * (1 - level) >= level  # for a rank of theirs that a new score lies below with this chance
    shared = conformal_quantile(scores[rare] if enough else scores, level)
    return np.array(
        [
            conformal_quantile(scores[labels == number], level) if count >= LEAST_IMAGES else shared
            for number, count in enumerate(counts)
        ]
    )


def set_metrics(
    distributions: np.ndarray, labels: np.ndarray, method: str, thresholds: np.ndarray, names: tuple[str, ...]
) -> dict:
    """Coverage and mean size, overall and by class; NaN for a class without images."""
    member = in_prediction_set(distributions, method, thresholds)
    covered, size = member[np.arange(len(labels)), labels], member.sum(-1)

    def of(rows: np.ndarray) -> dict[str, float]:
        count = int(rows.sum())
        shares = (float(values[rows].mean()) if count else float("nan") for values in (covered, size))
        return dict(zip(("coverage", "mean_size"), shares)) | {"samples": count}

    by_class = {name: of(labels == number) for number, name in enumerate(names)}
    return of(np.ones(len(labels), bool)) | {"by_class": by_class}


def cross_validated(distributions: np.ndarray, labels: np.ndarray, method: str, level: float = SET_LEVEL) -> dict:
    """Figures of thresholds that were fitted without the images they are tried on."""
    folds = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    member = np.zeros_like(distributions, bool)
    for fold in range(FOLDS):
        mine = folds == fold
        thresholds = fit_thresholds(distributions[~mine], labels[~mine], method, level)
        member[mine] = in_prediction_set(distributions[mine], method, thresholds)
    covered, size = member[np.arange(len(labels)), labels], member.sum(-1)
    frequent = [n for n in np.unique(labels) if (labels == n).sum() >= LEAST_IMAGES]
    worst = min((float(covered[labels == number].mean()) for number in frequent), default=float(covered.mean()))
    return {"coverage": float(covered.mean()), "worst_class": worst, "mean_size": float(size.mean())}


def choose_method(distributions: np.ndarray, labels: np.ndarray) -> tuple[str, dict]:
    """
    The method with the smallest sets at 90 % among those whose worst class is covered well enough, or among all if
    none is, by cross-validation on the images given; and what that found of each.
    """
    found = {method: cross_validated(distributions, labels, method) for method in METHODS}
    fitting = [method for method in found if found[method]["worst_class"] >= LEAST_COVERAGE] or list(found)
    return min(fitting, key=lambda method: found[method]["mean_size"]), found


def fit_sets(distributions: np.ndarray, labels: np.ndarray, method: str) -> Mapping[float, np.ndarray]:
    """Thresholds (N,) by level, with the largest of `ALLOWANCES` that keeps the promise in cross-validation."""

    def level_of_classes(level: float) -> float:
        tried = (level - allowance for allowance in ALLOWANCES)
        return next((t for t in tried if cross_validated(distributions, labels, method, t)["coverage"] >= level), level)

    return {level: fit_thresholds(distributions, labels, method, level_of_classes(level)) for level in LEVELS}
