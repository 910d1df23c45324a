"""HOG (dlib), the face detector that needs no file."""

import math
import threading
from types import ModuleType

import numpy as np
from PIL import Image

from .face import DetectorUnavailableError, Face, reading_order
from .turns import in_photo, likely_turn, turned_back

MARGIN = 0.2  # least one of a face


class HogDetector:
    """
    dlib's frontal face detector: histograms of gradients and a linear classifier, no file to fetch.

    It finds frontal faces of at least 80 pixels in the resized photo and gives no eyes. Its margin m (the signed
    distance from the classifier's plane, 0.2 to 3 for faces) becomes the score 1 / (1 + exp(-m)), no probability.

    Args:
        min_score: least score of a face; None for that of the margin 0.2. On the six group photos that it was set with,
            faces had margins of 0.43 and more, and what is no face 0.13 at most.

    Raises:
        DetectorUnavailableError: dlib is missing.
    """

    name = "hog"
    search_sides = (960, 1920)  # the photo's longer side is brought between these, in pixels

    def __init__(self, min_score: float | None = None) -> None:
        self._detector = _import_dlib().get_frontal_face_detector()
        self._threshold = MARGIN if min_score is None else math.log(min_score / (1 - min_score))
        self._lock = threading.Lock()

    def detect(self, image: Image.Image) -> list[Face]:
        """Find the frontal faces of an RGB photo, from left to right; where none is upright, turned ones."""
        faces = self._upright_faces(image)
        if not faces and (turn := likely_turn(image, self._upright_faces)):
            faces = [in_photo(face, turn, image.size) for face in self._upright_faces(turned_back(image, turn))]
        return reading_order(faces)

    def _upright_faces(self, image: Image.Image) -> list[Face]:
        least, most = self.search_sides
        longer = max(image.size)
        scale = min(most / longer, max(1.0, min(least / longer, 4.0)))
        size = tuple(max(1, round(side * scale)) for side in image.size)
        resized = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
        with self._lock:
            boxes, margins, _ = self._detector.run(np.asarray(resized), 0, self._threshold)
        across, down = image.width / size[0], image.height / size[1]
        return [
            # dlib's right and bottom are the last pixels inside
            Face(
                (box.left() * across, box.top() * down, (box.right() + 1) * across, (box.bottom() + 1) * down),
                1 / (1 + math.exp(-margin)),
                detector=self.name,
            )
            for box, margin in zip(boxes, margins, strict=True)
        ]


def _import_dlib() -> ModuleType:
    try:
        import dlib
    except ImportError as error:
        raise DetectorUnavailableError(f"HOG needs dlib ({error}): pip install dlib-bin") from error
    return dlib
