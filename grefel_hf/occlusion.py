"""
Which parts of a face an answer rests on: what becomes of it when one part after the other is covered.

Coarse: a covered part is a patch that the network knows little about, and it is seen through its neighbours, too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageStat

from .faces.face import Box

# Points of the 68 of a face, and by how much of the eyes' distance their box grows to the sides, up and down.
REGIONS = {
    "brows": (slice(17, 27), (0.15, 0.2, 0.05)),
    "eyes": (slice(36, 48), (0.2, 0.15, 0.15)),
    "nose": (slice(27, 36), (0.2, 0.0, 0.1)),
    "mouth": (slice(48, 68), (0.2, 0.15, 0.2)),
}
OUTER_EYES = [36, 45]
# Of a level crop without landmarks, in fractions of its sides.
THIRDS = {
    name: (0.0, number / 3, 1.0, (number + 1) / 3)
    for number, name in enumerate(("upper third", "middle third", "lower third"))
}


@dataclass(frozen=True, eq=False)
class Occlusion:
    """
    What one part of a face is worth to its answer.

    region: "brows", "eyes", "nose", "mouth", or a third of the crop where there are no landmarks.
    box: left, top, right, bottom of what was covered, as fractions of the crop's width and height.
    labels: class names, in the model's order.
    before, after: the corrected distribution (N,) of the whole crop, and with this part covered.
    """

    region: str
    box: Box
    labels: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray

    @property
    def label(self) -> str:
        """The top class of the whole crop."""
        return self.labels[int(self.before.argmax())]

    @property
    def label_after(self) -> str:
        """The top class with this part covered."""
        return self.labels[int(self.after.argmax())]

    @property
    def scores(self) -> tuple[float, float]:
        """The probability of `label` before and after."""
        top = int(self.before.argmax())
        return float(self.before[top]), float(self.after[top])

    @property
    def drop(self) -> float:
        """By how much that probability falls; negative where it rises."""
        return self.scores[0] - self.scores[1]

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        distributions = {"before": self.before, "after": self.after}
        return {
            "region": self.region,
            "box": list(self.box),
            "label": self.label,
            "drop": self.drop,
            "label_after": self.label_after,
        } | {name: dict(zip(self.labels, values.tolist())) for name, values in distributions.items()}


def face_regions(landmarks: np.ndarray | None) -> dict[str, Box]:
    """
    Boxes of `REGIONS` in fractions of the crop, those that lie in it; `THIRDS` without landmarks.

    Args:
        landmarks: 68 points (68, 2), x and y as fractions of the crop's width and height.
    """
    if landmarks is None:
        return THIRDS
    unit = float(np.linalg.norm(np.diff(landmarks[OUTER_EYES], axis=0)))
    boxes = {}
    for name, (points, (aside, above, below)) in REGIONS.items():
        (left, top), (right, bottom) = landmarks[points].min(0), landmarks[points].max(0)
        grown = (left - aside * unit, top - above * unit, right + aside * unit, bottom + below * unit)
        box = tuple(float(min(max(value, 0.0), 1.0)) for value in grown)
        if box[0] < box[2] and box[1] < box[3]:
            boxes[name] = box
    return boxes


def covered(crop: Image.Image, box: Box) -> Image.Image:
    """An RGB crop with a box, in fractions of it, in the crop's mean colour."""
    image = crop.copy()
    mean = tuple(round(value) for value in ImageStat.Stat(crop).mean)
    image.paste(mean, tuple(round(value * side) for value, side in zip(box, crop.size * 2)))
    return image


def occlusions(
    network: Callable[[list[Image.Image]], Iterable[np.ndarray]],
    crop: Image.Image,
    landmarks: np.ndarray | None,
    labels: tuple[str, ...],
) -> list[Occlusion]:
    """
    The parts of a face, that whose covering takes most from the answer first.

    Args:
        network: of RGB crops gives the corrected distribution (N,) of each; it is asked once.
        landmarks: of the crop, see `face_regions`.
    """
    regions = face_regions(landmarks)
    before, *after = network([crop, *(covered(crop, box) for box in regions.values())])
    found = [Occlusion(name, box, labels, before, values) for (name, box), values in zip(regions.items(), after)]
    return sorted(found, key=lambda occlusion: occlusion.drop, reverse=True)
