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


def create_detector(name: str = "auto") -> FaceDetector:
    """
    Make a detector by name.

    Args:
        name: "yunet", "hog", "none", or "auto": YuNet when its weights are at hand (the file that the environment
            variable GREFEL_YUNET names, or the Hub's cache) or can be fetched within a few seconds, else HOG; which
            one it took and why is logged once.

    Raises:
        ValueError: another name.
        DetectorUnavailableError: a library or the weights are missing; GREFEL_YUNET names no file.
    """
    if name not in DETECTORS:
        raise ValueError(f"unknown face detector {name!r}: choose one of {', '.join(DETECTORS)}")
    if name == "none":
        return NoDetector()
    if name == "hog":
        return HogDetector()
    if name == "yunet":
        return YuNetDetector(yunet_weights())
    return _best_detector()


def _best_detector() -> FaceDetector:
    configured = configured_weights()  # a wrong setting is reported, not passed over
    try:
        path = configured or cached_weights() or fetch_in_time()
        detector: FaceDetector = YuNetDetector(path)
    except DetectorUnavailableError as reason:
        detector = HogDetector()
        log_once(logging.WARNING, f"face detector: HOG, which finds frontal faces only, because {reason}")
    else:
        log_once(logging.INFO, f"face detector: YuNet, its weights are at hand ({path})")
    return detector


@cache
def log_once(level: int, message: str) -> None:
    logger.log(level, message)
