"""
Certainty as measured: what reliability.json says of a checkpoint's answers. docs/reliability.md explains it.

train/fit_reliability.py writes the file, fitted on images that training never saw. It holds numbers only, and ends with
the weights that it was fitted to: it is not used for others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .fitted import class_names, numbers, read_fitted, write_fitted
from .hub import RELIABILITY_FILE

VERSION = 1
LEVELS = (0.8, 0.9, 0.95)  # shares of faces whose set is to hold the label
SET_LEVEL = 0.9  # of `could_be` and wherever no other is named
CANNOT_TELL = "cannot tell"
MOST_DEVIATIONS = 5.0  # of a feature from its mean


@dataclass(frozen=True)
class AccuracyMap:
    """
    How many answers of a confidence were right: the shares and their 95 % intervals at a few confidences (K,), both
    rising, with straight lines between and the first and last value beyond.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __call__(self, confidence: float) -> tuple[float, float, float]:
        """The share that was right, and its interval's lower and upper bound."""
        curves = (self.accuracy, self.low, self.high)
        return tuple(float(np.interp(confidence, self.confidence, curve)) for curve in curves)


@dataclass(frozen=True)
class Answerability:
    """
    A linear score that tells crops whose expression can be read from others, of what the model's outputs `fields` hold
    of them, (B, ...) each, taken as rows one after the other: features (B, F).

    mean, scale: (F,), by which the features are standardised.
    weights: (F,); bias.
    threshold: least score of a crop that is answered.
    clear_from: least score of a crop that is no poor picture.
    """

    fields: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float
    threshold: float
    clear_from: float

    def __call__(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The model's outputs (B, ...) by field to scores (B,) in [0, 1]."""
        features = standardized(output_rows(outputs, self.fields), self.mean, self.scale)
        return 1.0 / (1.0 + np.exp(-(features @ self.weights + self.bias)))


def output_rows(outputs: Mapping[str, np.ndarray], fields: Sequence[str]) -> np.ndarray:
    """
    Outputs (B, ...) of these fields as rows (B, F).

    Raises:
        ValueError: the model has no such output.
    """
    missing = [name for name in fields if outputs.get(name) is None]
    if missing:
        raise ValueError(f"{RELIABILITY_FILE} was made for a network that has {', '.join(missing)}: this one has not.")
    return np.concatenate([np.asarray(outputs[name]).reshape(len(outputs[name]), -1) for name in fields], axis=-1)


def standardized(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """
    Rows (B, F) with outliers cut off.

    Raises:
        ValueError: they are of another width than mean and scale (F,).
    """
    if rows.shape[-1:] != mean.shape:
        raise ValueError(f"{RELIABILITY_FILE} was made for a network of another width.")
    return ((rows - mean) / scale).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)


@dataclass(frozen=True)
class Reliability:
    """
    labels: class names, in the model's order.
    accuracy: of the answers of any class; `accuracy_by_class` of those that had answers enough for a map of their own,
        `accuracy_of_poor` of pictures whose score of answerability is below `clear_from`: disturbed ones, mostly.
    method, thresholds: of the prediction sets: by level (N,), see `nonconformity`.
    answerability: None where the file has none.
    """

    labels: tuple[str, ...]
    accuracy: AccuracyMap
    method: str
    thresholds: Mapping[float, np.ndarray]
    accuracy_by_class: Mapping[str, AccuracyMap] = field(default_factory=dict)
    accuracy_of_poor: AccuracyMap | None = None
    answerability: Answerability | None = None

    def answerability_of(self, outputs: Mapping[str, np.ndarray]) -> float | None:
        """The score of one face by the model's outputs (...) for it; None where the file has none."""
        if self.answerability is None:
            return None
        fields = [name for name in self.answerability.fields if outputs.get(name) is not None]
        return float(self.answerability({name: np.asarray(outputs[name])[None] for name in fields})[0])

    def is_answerable(self, score: float | None) -> bool | None:
        """Whether a score of `answerability` is that of a face that can be read; None for none."""
        return None if score is None or self.answerability is None else score >= self.answerability.threshold

    def expected_accuracy(
        self, label: str, confidence: float, score: float | None = None
    ) -> tuple[float, float, float]:
        """
        How many of 1 such answers were right: the share, and its interval's lower and upper bound.

        Args:
            label: the answer.
            confidence: of the corrected distribution (Eq. 10).
            score: of `answerability`; None for none.
        """
        is_poor = score is not None and self.answerability is not None and score < self.answerability.clear_from
        if is_poor and self.accuracy_of_poor is not None:
            return self.accuracy_of_poor(confidence)
        return self.accuracy_by_class.get(label, self.accuracy)(confidence)

    def prediction_set(self, distribution: np.ndarray, level: float = SET_LEVEL) -> tuple[str, ...]:
        """
        The labels that may be meant, likeliest first: at least the one on top.

        Raises:
            ValueError: nothing was fitted for this level.
        """
        if level not in self.thresholds:
            known = ", ".join(f"{known:g}" for known in self.thresholds)
            raise ValueError(f"prediction sets are fitted for the levels {known}, not for {level}")
        member = in_prediction_set(np.asarray(distribution)[None], self.method, self.thresholds[level])[0]
        return tuple(self.labels[i] for i in np.argsort(-np.asarray(distribution), kind="stable") if member[i])

    def certainty(self, distribution: np.ndarray, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """
        Of one face `is_answerable`, `expected_accuracy` and `prediction_set`, the last two None for what is not
        answerable.

        Args:
            distribution: the corrected one (N,).
            outputs: the model's, (...) by field.
        """
        score = self.answerability_of(outputs)
        answerable = self.is_answerable(score)
        found = {"is_answerable": answerable, "expected_accuracy": None, "prediction_set": None}
        if answerable is not False:
            label = self.labels[int(distribution.argmax())]
            found["expected_accuracy"] = self.expected_accuracy(label, float(outputs["corrected_confidence"]), score)[0]
            found["prediction_set"] = list(self.prediction_set(distribution))
        return found

    def to_dict(self) -> dict[str, Any]:
        """As reliability.json has it, less the weights and what was measured."""
        entries: dict[str, Any] = {"version": VERSION, "labels": list(self.labels)}
        entries["expected_accuracy"] = {
            "all": _lists(self.accuracy),
            "by_class": {label: _lists(curve) for label, curve in self.accuracy_by_class.items()},
            "poor": None if self.accuracy_of_poor is None else _lists(self.accuracy_of_poor),
        }
        levels = {f"{level:g}": values.tolist() for level, values in self.thresholds.items()}
        entries["prediction_sets"] = {"method": self.method, "thresholds": levels}
        entries["answerability"] = None if self.answerability is None else _lists(self.answerability)
        return entries


def _least_mass(distributions: np.ndarray) -> np.ndarray:
    return 1.0 - distributions


def _mass_from_top(distributions: np.ndarray, rank_penalty: float = 0.0) -> np.ndarray:
    order = np.argsort(-distributions, axis=-1, kind="stable")
    mass = np.take_along_axis(distributions, order, -1).cumsum(-1)
    mass = mass + rank_penalty * np.arange(distributions.shape[-1])
    scores = np.empty_like(mass)
    np.put_along_axis(scores, order, mass, -1)
    return scores


# By method: LAC (Sadinle et al., 2019), APS (Romano et al., 2020) without its randomisation, and RAPS (Angelopoulos et
# al., 2021), which adds a penalty for every rank.
METHODS = {
    "lac": _least_mass,
    "aps": _mass_from_top,
    "raps": lambda distributions: _mass_from_top(distributions, 0.1),
}


def nonconformity(distributions: np.ndarray, method: str) -> np.ndarray:
    """Distributions (M, N) to how little each label fits (M, N): one minus its probability, or the mass down to it."""
    return METHODS[method](np.asarray(distributions, np.float64))


def in_prediction_set(distributions: np.ndarray, method: str, thresholds: np.ndarray) -> np.ndarray:
    """(M, N) bool: labels whose nonconformity is at most the threshold (N,) of their class, and the one on top."""
    top = np.arange(distributions.shape[-1]) == distributions.argmax(-1)[:, None]
    return (nonconformity(distributions, method) <= thresholds) | top


def load_reliability(folder: str | Path, labels: Sequence[str]) -> Reliability | None:
    """
    What the reliability.json of a checkpoint's folder says; None without one, or for one of other weights, which is
    said in the log.

    Args:
        labels: the model's class names in order.

    Raises:
        ValueError: the file is none of ours; in one sentence.
    """
    return read_fitted(Path(folder) / RELIABILITY_FILE, labels, from_dict, "train/fit_reliability.py")


def write_reliability(folder: str | Path, reliability: Reliability, measured: Mapping[str, Any] | None = None):
    """
    Write the reliability.json of a folder's weights.

    Args:
        measured: how it was fitted and checked, which goes into the file for people.
    """
    entries = reliability.to_dict() | ({"measured": measured} if measured else {})
    write_fitted(Path(folder) / RELIABILITY_FILE, entries)


def from_dict(entries: Mapping[str, Any]) -> Reliability:
    """
    The other way round than `Reliability.to_dict`.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: entries are missing, or are not what they have to be.
    """
    if entries["version"] != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    labels = class_names(entries)
    maps = entries["expected_accuracy"]
    if not set(maps["by_class"]) <= set(labels):
        raise ValueError("it maps classes that are not among its labels")
    sets = entries["prediction_sets"]
    if sets["method"] not in METHODS:
        raise ValueError(f"its prediction sets are none of {', '.join(METHODS)}")
    thresholds = {float(level): numbers(values, (len(labels),)) for level, values in sets["thresholds"].items()}
    if tuple(thresholds) != LEVELS:
        raise ValueError(f"its prediction sets are not for the levels {LEVELS}")
    answerability = entries["answerability"]
    return Reliability(
        labels=labels,
        accuracy=_accuracy_map(maps["all"]),
        accuracy_by_class={label: _accuracy_map(curve) for label, curve in maps["by_class"].items()},
        accuracy_of_poor=None if maps["poor"] is None else _accuracy_map(maps["poor"]),
        method=sets["method"],
        thresholds=thresholds,
        answerability=None if answerability is None else _answerability(answerability),
    )


def _accuracy_map(entries: Mapping[str, Any]) -> AccuracyMap:
    confidence = numbers(entries["confidence"], (None,))
    curves = [numbers(entries[name], confidence.shape) for name in ("accuracy", "low", "high")]
    in_range = all(((values >= 0) & (values <= 1)).all() for values in (confidence, *curves))
    accuracy, low, high = curves
    if not in_range or (np.diff(confidence) <= 0).any() or (np.diff(accuracy) < 0).any():
        raise ValueError("a map of accuracies does not rise from 0 to 1")
    if (low > accuracy).any() or (accuracy > high).any():
        raise ValueError("an accuracy lies outside of its interval")
    return AccuracyMap(confidence, *curves)


def _answerability(entries: Mapping[str, Any]) -> Answerability:
    fields = tuple(entries["fields"])
    mean = numbers(entries["mean"], (None,))
    scale = numbers(entries["scale"], mean.shape)
    if not fields or not all(isinstance(name, str) for name in fields) or (scale <= 0).any():
        raise ValueError("the features of its answerability are impossible")
    return Answerability(
        fields=fields,
        mean=mean,
        scale=scale,
        weights=numbers(entries["weights"], mean.shape),
        bias=float(numbers(entries["bias"], ())),
        threshold=float(numbers(entries["threshold"], ())),
        clear_from=float(numbers(entries["clear_from"], ())),
    )


def _lists(value: AccuracyMap | Answerability) -> dict[str, Any]:
    found = vars(value).items()
    return {name: entry.tolist() if isinstance(entry, np.ndarray) else entry for name, entry in found}
