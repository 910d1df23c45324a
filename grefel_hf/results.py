"""What the predictor returns: typed results for photos and faces, as plain Python values and as tables."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .explanation import Explanation
from .model.epsilons import CONFIDENCE_EPSILON
from .reliability import CANNOT_TELL, SET_LEVEL, Reliability

if TYPE_CHECKING:
    import pandas as pd

# The parts of an answer in the order in which the model makes them: distributions, each with a confidence (Eq. 10).
PARTS = ("primary", "geometric", "attentive", "correction", "corrected")
# Those that are shown and tabulated: correction lies between geometric and attentive.
DISTRIBUTIONS = tuple(part for part in PARTS if part != "correction")
# The answers without and with reliability balancing.
ANSWERS = (PARTS[0], PARTS[-1])


@dataclass(frozen=True, eq=False, repr=False)
class FacePrediction:
    """
    One face.

    box: left, top, right, bottom in pixels of the photo, turned as its EXIF tag says.
    turn: degrees, clockwise, by which the face stands turned in it: 0, 90, 180 or 270. The crop is upright.
    detector_score: the detector's own score; not comparable between detectors.
    labels: class names, in the model's order.
    primary, corrected: probabilities (N,) of l (Eq. 9) and L_final (Eq. 19).
    geometric, attentive, correction: t_g, t_a and t (Eq. 15, 17, 18), (N,), None where the model has no such part.
    confidences: Eq. 10 of "primary", "geometric", "attentive", "correction" and "corrected", those that exist.
    anchor_similarities: Eq. 14, (N, K), sums to 1; None without anchors.
    landmarks: 68 points (68, 2), x and y as fractions of the crop's width and height; None without a landmark head.
    attention_map: (S, S), where the attentive correction looked, summed over levels; None without it.
    crop: the face as the model saw it before resizing.
    reliability: what was measured of such answers, see `Reliability`; None where the checkpoint has no
        reliability.json.
    answerability: how surely this is a face that can be read, in [0, 1]; None where that was not fitted.
    is_answered: whether `label` names a class; else it is "cannot tell".
    explanation: what the model does with the average face, see `Explanation`; None where the checkpoint has no
        explanation.json.
    """

    box: tuple[float, float, float, float]
    detector_score: float
    labels: tuple[str, ...]
    primary: np.ndarray
    corrected: np.ndarray
    confidences: dict[str, float]
    geometric: np.ndarray | None = None
    attentive: np.ndarray | None = None
    correction: np.ndarray | None = None
    anchor_similarities: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    attention_map: np.ndarray | None = None
    crop: Image.Image | None = None
    turn: int = 0
    reliability: Reliability | None = None
    answerability: float | None = None
    is_answered: bool = True
    explanation: Explanation | None = None

    def __repr__(self) -> str:
        box = tuple(map(round, self.box))
        return f"FacePrediction(label={self.label!r}, score={self.score:.3f}, box={box})"

    @property
    def label(self) -> str:
        """The corrected distribution's top class; "cannot tell" where the predictor was to give no answer."""
        return self.top_label if self.is_answered else CANNOT_TELL

    @property
    def top_label(self) -> str:
        """The corrected distribution's top class, whatever it is worth."""
        return self.labels[int(self.corrected.argmax())]

    @property
    def score(self) -> float:
        """The top class's probability."""
        return float(self.corrected.max())

    @property
    def is_answerable(self) -> bool | None:
        """Whether this is a face that can be read; None where the checkpoint does not say."""
        return None if self.reliability is None else self.reliability.is_answerable(self.answerability)

    @property
    def expected_accuracy(self) -> float | None:
        """
        The share of such answers that were right on images that training never saw; None where that was not measured,
        and for what is not answerable.
        """
        return self._expected()[0] if self._is_measured else None

    @property
    def expected_accuracy_interval(self) -> tuple[float, float] | None:
        """Where that share lies with 95 % certainty."""
        return self._expected()[1:] if self._is_measured else None

    def prediction_set(self, level: float = SET_LEVEL) -> tuple[str, ...] | None:
        """
        The labels that may be meant, likeliest first: so many that of faces like those of the measurement a share of
        `level` has its label among them. None as for `expected_accuracy`.

        Args:
            level: 0.8, 0.9 or 0.95.

        Raises:
            ValueError: another level.
        """
        return self.reliability.prediction_set(self.corrected, level) if self._is_measured else None

    @property
    def _is_measured(self) -> bool:
        return self.reliability is not None and self.is_answerable is not False

    def _expected(self) -> tuple[float, float, float]:
        confidence = self.confidences["corrected"]
        return self.reliability.expected_accuracy(self.top_label, confidence, self.answerability)

    def distribution(self, name: str) -> dict[str, float] | None:
        """One of `PARTS` by class name; None where the model has no such part. Raises ValueError for other names."""
        if name not in PARTS:
            raise ValueError(f"{name!r} is no distribution: choose one of {', '.join(PARTS)}")
        values = getattr(self, name)
        return None if values is None else dict(zip(self.labels, values.tolist()))

    def nearest_anchors(self, count: int = 3) -> list[tuple[str, int, float]]:
        """The most similar anchors as (class name, anchor number from 0, similarity), best first; [] without any."""
        if self.anchor_similarities is None:
            return []
        order = np.argsort(self.anchor_similarities, axis=None)[::-1][: max(0, count)]
        rows, columns = np.unravel_index(order, self.anchor_similarities.shape)
        return [(self.labels[r], int(c), float(self.anchor_similarities[r, c])) for r, c in zip(rows, columns)]

    @property
    def attention_difference(self) -> np.ndarray | None:
        """Where the attentive correction looked more (above 0) or less than on the average face: (S, S), sums to 0."""
        if self.attention_map is None or self.explanation is None or self.explanation.attention is None:
            return None
        return self.attention_map - self.explanation.attention

    @property
    def anchor_place(self) -> np.ndarray | None:
        """Where the face lies on the plane of `AnchorMap`, (2,); None where the model or its checkpoint has none."""
        if self.anchor_similarities is None or self.explanation is None or self.explanation.anchors is None:
            return None
        return self.explanation.anchors.place(self.anchor_similarities)

    def shares(self) -> dict[str, float]:
        """
        How much "primary", "geometric" and "attentive" count for in the corrected distribution: the weights of Eq. 18
        and 19, multiplied out. They sum to 1; parts that the model lacks are missing.
        """
        if self.correction is None:
            return {"primary": 1.0}
        weights = {name: value + CONFIDENCE_EPSILON for name, value in self.confidences.items()}
        parts = [name for name in ("geometric", "attentive") if getattr(self, name) is not None]
        of_correction = weights["correction"] / (weights["primary"] + weights["correction"])
        total = sum(weights[name] for name in parts)
        return {"primary": 1.0 - of_correction} | {name: of_correction * weights[name] / total for name in parts}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the crop, as values that JSON can hold."""
        return {
            "box": list(self.box),
            "detector_score": self.detector_score,
            "turn": self.turn,
            "label": self.label,
            "score": self.score,
            "is_answerable": self.is_answerable,
            "expected_accuracy": self.expected_accuracy,
            "expected_accuracy_interval": _as_list(self.expected_accuracy_interval),
            "prediction_set": _as_list(self.prediction_set()),
            **{name: self.distribution(name) for name in (*DISTRIBUTIONS, "correction")},
            "confidences": dict(self.confidences),
            "anchor_similarities": _by_label(self.labels, self.anchor_similarities),
            "landmarks": _as_list(self.landmarks),
            "attention_map": _as_list(self.attention_map),
            "attention_difference": _as_list(self.attention_difference),
            "anchor_place": _as_list(self.anchor_place),
        }


@dataclass(frozen=True, eq=False, repr=False)
class PhotoPrediction:
    """
    One photo: where it came from (None for an image given as such), its size upright in pixels, the detector that
    looked for faces, the faces, which may be none, the class names, in the model's order, and notes on what was done to
    the photo, a sentence each.
    """

    source: str | None
    width: int
    height: int
    detector: str
    faces: list[FacePrediction]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PhotoPrediction(source={self.source!r}, size={self.width} x {self.height}, faces={self.faces})"

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "detector": self.detector,
            "faces": [face.to_dict() for face in self.faces],
            "notes": list(self.notes),
        }

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per face; columns as in `faces_table`."""
        return faces_table([self])


def faces_table(photos: list[PhotoPrediction]) -> "pd.DataFrame":
    """
    One row per face of all photos: source, face (number from 1) and `face_columns`, also where there is no face.
    """
    import pandas as pd

    rows = [
        {"source": photo.source, "face": number} | face_row(face)
        for photo in photos
        for number, face in enumerate(photo.faces, start=1)
    ]
    labels = next((item.labels for photo in photos for item in (photo, *photo.faces) if item.labels), ())
    return pd.DataFrame(rows, columns=["source", "face", *face_columns(labels)])


def face_row(face: FacePrediction) -> dict[str, Any]:
    """
    A face as one row of a table: box, detector_score, turn, label, score, is_answerable, right_in_100 and could_be
    (`expected_accuracy` in 100 and the labels of `prediction_set`, None where there are none), one column per
    probability (`corrected_happiness`, `primary_happiness`, ...) and per confidence (`confidence_primary`, ...) that
    the model has.
    """
    row = dict(zip(("left", "top", "right", "bottom"), face.box))
    row |= {"detector_score": face.detector_score, "turn": face.turn, "label": face.label, "score": face.score}
    row |= {"is_answerable": face.is_answerable, "right_in_100": right_in_100(face), "could_be": could_be(face)}
    for name in reversed(DISTRIBUTIONS):
        row |= {f"{name}_{label}": p for label, p in (face.distribution(name) or {}).items()}
    return row | {f"confidence_{name}": value for name, value in face.confidences.items()}


def face_columns(labels: tuple[str, ...]) -> list[str]:
    """The columns of `face_row` of a model that has every part."""
    columns = ["left", "top", "right", "bottom", "detector_score", "turn", "label", "score"]
    columns += ["is_answerable", "right_in_100", "could_be"]
    columns += [f"{name}_{label}" for name in reversed(DISTRIBUTIONS) for label in labels]
    return columns + [f"confidence_{name}" for name in PARTS]


def right_in_100(face: FacePrediction) -> int | None:
    """How many of 100 such answers were right, for people: rounded, but never 100, as no count promises that."""
    return None if face.expected_accuracy is None else min(round(100 * face.expected_accuracy), 99)


def could_be(face: FacePrediction) -> str | None:
    """The labels of the prediction set at 90 %, likeliest first, as a phrase: "anger or sadness"."""
    names = face.prediction_set()
    return None if names is None else " or ".join(names)


def _as_list(values: np.ndarray | tuple | None) -> list | None:
    return values.tolist() if isinstance(values, np.ndarray) else values and list(values)


def _by_label(labels: tuple[str, ...], values: np.ndarray | None) -> dict[str, list[float]] | None:
    return None if values is None else dict(zip(labels, values.tolist()))
