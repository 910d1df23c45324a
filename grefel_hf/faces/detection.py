"""
Finding faces in a photo: YuNet (OpenCV), HOG (dlib), or none for images that are face crops already.

cv2 and dlib are imported when a detector is made, so that the package works without the one it does not use.
"""

import logging
from functools import cache
from typing import Protocol

from PIL import Image

from .face import DetectorUnavailableError, Face
from .hog import HogDetector
from .weights import cached_weights, configured_weights, fetch_in_time, yunet_weights
from .yunet import YuNetDetector

logger = logging.getLogger("grefel_hf")

DETECTORS = ("auto", "yunet", "hog", "none")


class FaceDetector(Protocol):
    """What the predictor needs of a detector."""

    name: str

    def detect(self, image: Image.Image) -> list[Face]:
        """Find the faces of an upright RGB photo, from left to right; none is an empty list."""
        ...


class NoDetector:
    """For images that are face crops already: the whole image is the one face."""

    name = "none"

    def detect(self, image: Image.Image) -> list[Face]:
        """One face that spans the image, score 1."""
        return [Face((0.0, 0.0, float(image.width), float(image.height)), 1.0, detector=self.name)]


def create_detector(name: str = "auto", *, min_score: float | None = None, min_face: float = 0.0) -> FaceDetector:
    """
    Make a detector by name.

    Args:
        name: "yunet", "hog", "none", or "auto": YuNet when its weights are at hand (the file that the environment
            variable GREFEL_YUNET names, or the Hub's cache) or can be fetched within a few seconds, else HOG; which
            one it took and why is logged once.
        min_score: least score of a face, between 0 and 1; None for the detector's own. Scores of different detectors
            do not compare.
        min_face: least side of a face's box in pixels: the root of its area.

    Raises:
        ValueError: another name, a side that is no number from 0 up, or a score that is none from 0 to 1.
        DetectorUnavailableError: a library or the weights are missing; GREFEL_YUNET names no file.
    """
    if name not in DETECTORS:
        raise ValueError(f"unknown face detector {name!r}: choose one of {', '.join(DETECTORS)}")
    if not min_face >= 0:
        raise ValueError(f"min_face {min_face}: the least side of a face is 0 pixels or more")
    if min_score is not None and not 0 <= min_score <= 1:
        raise ValueError(f"min_score {min_score}: the least score of a face is between 0 and 1")
    if name == "none":
        return NoDetector()
    if name == "hog":
        detector = HogDetector(min_score)
    elif name == "yunet":
        detector = YuNetDetector(yunet_weights(), min_score)
    else:
        detector = _best_detector(min_score)
    return LargeFaces(detector, min_face) if min_face > 0 else detector


class LargeFaces:
    """A detector that gives the faces of at least so many pixels only."""

    def __init__(self, detector: FaceDetector, least: float):
        self._detector, self._least = detector, least
        self.name = detector.name

    def detect(self, image: Image.Image) -> list[Face]:
        """As `FaceDetector.detect`."""
        return [face for face in self._detector.detect(image) if face.size >= self._least]


def _best_detector(min_score: float | None) -> FaceDetector:
    configured = configured_weights()  # a wrong setting is reported, not passed over
    if configured:
        detector: FaceDetector = YuNetDetector(configured, min_score)
        log_once(logging.INFO, f"face detector: YuNet, from {configured}")
        return detector
    try:
        path = cached_weights() or fetch_in_time()
        detector = YuNetDetector(path, min_score)
    except DetectorUnavailableError as reason:
        detector = HogDetector(min_score)
        log_once(logging.WARNING, f"face detector: HOG, which finds frontal faces only, because {reason}")
    else:
        log_once(logging.INFO, f"face detector: YuNet, its weights are at hand ({path})")
    return detector


@cache
def log_once(level: int, message: str) -> None:
    logger.log(level, message)
