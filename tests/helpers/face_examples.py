"""Faces with figures made by hand for the tests of the page's words and figures."""

import numpy as np
from PIL import Image

from grefel_hf.explanation import AnchorMap, Explanation
from grefel_hf.results import FacePrediction, PhotoPrediction

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def distribution(**probabilities: float) -> np.ndarray:
    """The named classes' probabilities; the rest of 1 is spread evenly over the others."""
    rest = (1 - sum(probabilities.values())) / max(1, len(LABELS) - len(probabilities))
    return np.array([probabilities.get(label, rest) for label in LABELS])


def confidence(values: np.ndarray) -> float:
    """Eq. 10, by numpy."""
    positive = values[values > 0]
    return float(1 + (positive * np.log(positive)).sum() / np.log(len(values)))


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Eq. 18 and 19, by numpy."""
    a, b = confidence(first) + 1e-6, confidence(second) + 1e-6
    return (a * first + b * second) / (a + b)


def anchors_near(**shares: float) -> np.ndarray:
    """Similarities (8, 3) whose sums by class are `distribution(**shares)`; the second anchor of a class leads."""
    return distribution(**shares)[:, None] * np.array([0.2, 0.5, 0.3])


def explanation() -> Explanation:
    """Three anchors of each class in a row, classes below each other; half of the attention in the middle."""
    places = np.stack(np.meshgrid(np.linspace(-1, 1, 8), [-0.5, 0.0, 0.5], indexing="ij"), axis=-1)[..., ::-1]
    use = np.zeros((8, 3))
    use[:, 1] = 1 / 8
    meant = np.eye(8)[:, None] * (use > 0)[..., None]
    attention = np.full((3, 3), 0.5 / 8)
    attention[1, 1] = 0.5
    return Explanation(LABELS, 100, attention, AnchorMap(places, use, meant, 0.9))


def face(
    primary: np.ndarray, similarities: np.ndarray | None = None, attentive: np.ndarray | None = None, **fields
) -> FacePrediction:
    """A face whose corrected distribution follows from its parts as in the model."""
    geometric = None if similarities is None else similarities.sum(1)
    present = [part for part in (geometric, attentive) if part is not None]
    correction = joined(*present) if len(present) == 2 else present[0] if present else None
    corrected = primary if correction is None else joined(primary, correction)
    parts = {
        "primary": primary,
        "geometric": geometric,
        "attentive": attentive,
        "correction": correction,
        "corrected": corrected,
    }
    settings = dict(
        box=(10.0, 20.0, 60.0, 80.0),
        detector_score=0.9,
        labels=LABELS,
        confidences={name: confidence(values) for name, values in parts.items() if values is not None},
        anchor_similarities=similarities,
        crop=Image.new("RGB", (64, 64), "grey"),
        **parts,
    )
    return FacePrediction(**{**settings, **fields})


def photo(*faces: FacePrediction, detector: str = "hog") -> PhotoPrediction:
    """A photo of 200 by 100 pixels with these faces."""
    return PhotoPrediction(None, 200, 100, detector, list(faces))
