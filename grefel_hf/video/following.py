"""Faces of a video's frames: searched for a few times a second, and followed in between."""

from collections import deque

import numpy as np
from PIL import Image

from ..faces.face import Face
from ..faces.yunet import YuNetDetector
from .tracking import is_cut

# At most so long until somebody new is noticed; who leaves is at once.
SEARCH_SECONDS = 0.2


class FollowingDetector:
    """
    A detector for the frames of one video in their order.

    Where the last search was less than `SEARCH_SECONDS` ago, the faces of the frame before are measured where they
    were, as a search measures what it finds. A cut of the scene or a face that is not there any more begins a search.
    """

    def __init__(self, detector: YuNetDetector):
        self.name = detector.name
        self._detector = detector
        self._coming: deque[tuple[float, np.ndarray]] = deque()
        self._faces: list[Face] = []
        self._searched, self._colours = -np.inf, None

    def expect(self, time: float, colours: np.ndarray):
        """Tell the time in seconds and the `colour_histogram` of a frame before it is searched."""
        self._coming.append((time, colours))

    def detect(self, image: Image.Image) -> list[Face]:
        """As `FaceDetector.detect`, of the next frame that was told."""
        time, colours = self._coming.popleft()
        faces = None
        if time - self._searched < SEARCH_SECONDS and not is_cut(self._colours, colours):
            faces = self._detector.follow(image, self._faces)
        if faces is None:
            faces, self._searched = self._detector.detect(image), time
        self._faces, self._colours = faces, colours
        return faces
