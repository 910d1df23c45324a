"""A made-up reliability.json for the tiny model."""

import numpy as np

from grefel_hf.reliability import LEVELS, AccuracyMap, Answerability, Reliability
from tests.helpers.tiny import LABELS

FIELDS = ("embedding", "primary_confidence", "corrected_confidence")


def accuracy_map(low: float = 0.4, high: float = 0.9) -> AccuracyMap:
    """Of confidence 0.2 the share `low` was right, of confidence 0.8 the share `high`."""
    accuracy = np.array([low, high])
    return AccuracyMap(np.array([0.2, 0.8]), accuracy, accuracy - 0.1, accuracy + 0.05)


def reliability(bias: float = 5.0, width: int = 32, labels=tuple(LABELS)) -> Reliability:
    """
    Of whatever crop the score is the logistic of `bias`; below 0.5 it is not answerable, below 0.6 poor. Sets of
    90 % hold what has a probability from 0.1 on.
    """
    features = width + len(FIELDS) - 1
    answerability = Answerability(
        fields=FIELDS,
        mean=np.zeros(features),
        scale=np.ones(features),
        weights=np.zeros(features),
        bias=bias,
        threshold=0.5,
        clear_from=0.6,
    )
    thresholds = {level: np.full(len(labels), level) for level in LEVELS}
    maps = {"accuracy_by_class": {labels[1]: accuracy_map(0.6)}, "accuracy_of_poor": accuracy_map(0.1, 0.3)}
    return Reliability(labels, accuracy_map(), "lac", thresholds, answerability=answerability, **maps)
