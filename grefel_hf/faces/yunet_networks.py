"""
YuNet's network from pixels to rows of figures, on ONNX Runtime or OpenCV, for pictures of changing sizes.

Both give rows (n, 15) in pixels of the picture: x, y, width and height of a box; right eye, left eye, tip of the nose,
right and left corner of the mouth as the person has them, x and y each; the score. Several threads may call both.
"""

import logging
import threading
from collections import OrderedDict
from types import ModuleType
from typing import Protocol

import numpy as np
from PIL import Image

from ..onnx_session import OnnxUnavailableError, cpu_session
from .face import DetectorUnavailableError

logger = logging.getLogger("grefel_hf")

OVERLAP = 0.3  # intersection over union from which the box of the lower score is dropped
STRIDES = (8, 16, 32)  # pixels a cell of the three maps
LARGEST_STRIDE = STRIDES[-1]
MAX_CANDIDATES = 5000
MAX_SIZES = 4  # the two at which photos of one shape are searched, the one at which faces are measured, and one more


class YuNetNetwork(Protocol):
    def run(self, picture: Image.Image) -> np.ndarray:
        """An RGB picture to faces (n, 15)."""
        ...


def import_cv2() -> ModuleType:
    """
    Raises:
        DetectorUnavailableError: OpenCV is missing or too old.
    """
    try:
        import cv2
    except ImportError as error:
        raise DetectorUnavailableError(f"YuNet needs OpenCV ({error}): pip install opencv-python-headless") from error
    if not hasattr(cv2, "FaceDetectorYN"):
        raise DetectorUnavailableError("YuNet needs OpenCV 4.8 or later: pip install -U opencv-python-headless")
    return cv2


def open_yunet(weights: str, score_threshold: float) -> YuNetNetwork:
    """
    The faster of the two that is there: ONNX Runtime needs about half of OpenCV's time.

    Raises:
        cv2.error: OpenCV cannot read the weights either.
    """
    try:
        return OnnxYuNet(weights, score_threshold)
    except (OnnxUnavailableError, ValueError) as reason:
        logger.debug("YuNet runs on OpenCV: %s", reason)
    return OpenCVYuNet(weights, score_threshold)


class OnnxYuNet:
    """
    The network on ONNX Runtime, decoded here as OpenCV's FaceDetectorYN does.

    Raises:
        OnnxUnavailableError: onnxruntime is not installed.
        ValueError: the file is damaged, of another network, or made for one picture size only.
    """

    def __init__(self, weights: str, score_threshold: float):
        self._threshold = score_threshold
        self._session = cpu_session(weights, threads=1)  # searches and photos overlap instead
        (self._input,) = (value.name for value in self._session.get_inputs()[:1])
        self._outputs = [value.name for value in self._session.get_outputs()]
        expected = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES}
        if set(self._outputs) != expected:
            raise ValueError(f"{weights} is not YuNet of March 2023: its outputs are {self._outputs}")
        if any(isinstance(side, int) for side in self._session.get_inputs()[0].shape[2:]):
            raise ValueError(f"{weights} takes pictures of one size only")

    def run(self, picture: Image.Image) -> np.ndarray:
        """See the head of this file."""
        pixels = padded_planes(picture)
        values = self._session.run(self._outputs, {self._input: pixels})
        maps = {name: value[0] for name, value in zip(self._outputs, values)}  # (1, cells, channels) each
        columns = {stride: pixels.shape[3] // stride for stride in STRIDES}
        rows = np.concatenate([decoded(maps, stride, columns[stride], self._threshold) for stride in STRIDES])
        boxes, scores = rows[:, :4].astype(int).tolist(), rows[:, 14].tolist()
        kept = import_cv2().dnn.NMSBoxes(boxes, scores, self._threshold, OVERLAP, top_k=MAX_CANDIDATES)
        return rows[np.asarray(kept, int).ravel()]


def padded_planes(picture: Image.Image) -> np.ndarray:
    """
    An RGB picture of (W, H) as blue, green and red (1, 3, H', W') from 0 to 255, with black at the right and below up
    to whole cells. Bands one by one: a third of the time of OpenCV's blobFromImage.
    """
    width, height = picture.size
    planes = np.zeros((1, 3, height + -height % LARGEST_STRIDE, width + -width % LARGEST_STRIDE), np.float32)
    for plane, band in zip(planes[0], reversed(picture.split())):
        plane[:height, :width] = band
    return planes


def decoded(maps: dict[str, np.ndarray], stride: int, columns: int, threshold: float) -> np.ndarray:
    """
    Args:
        maps: what the network gives, (cells, channels) each, cells row by row; those of `stride` are used.
        columns: cells in a row.

    Returns:
        The cells whose score reaches the threshold, as rows (n, 15): see the head of this file.
    """
    # (cells, 1), (cells, 1), (cells, 4), (cells, 10)
    face, objectness, box, points = (maps[f"{kind}_{stride}"] for kind in ("cls", "obj", "bbox", "kps"))
    (found,) = np.nonzero((face * objectness)[:, 0] >= 0.99 * threshold**2)  # few: the rest is for them alone
    scores = np.sqrt(face[found].clip(0, 1) * objectness[found].clip(0, 1))[:, 0]
    found, scores = found[scores >= threshold], scores[scores >= threshold]
    cells = np.stack([found % columns, found // columns], -1).astype(np.float32)  # (n, 2): x, y
    center = (cells + box[found, :2]) * stride
    size = np.exp(box[found, 2:]) * stride
    points = (points[found].reshape(-1, 5, 2) + cells[:, None]) * stride
    return np.concatenate([center - size / 2, size, points.reshape(-1, 10), scores[:, None]], -1)


class OpenCVYuNet:
    """
    OpenCV's FaceDetectorYN: one network per picture size and thread, kept for the next picture of that size.

    A network that is given another size than before sets itself up anew, which takes as long as a search. Networks of
    the sizes that were used least recently are let go.

    Raises:
        cv2.error: OpenCV cannot read the weights.
    """

    def __init__(self, weights: str, score_threshold: float):
        self._weights, self._threshold = weights, score_threshold
        self._idle: OrderedDict[tuple[int, int], list] = OrderedDict()  # those that no thread is using
        self._lock = threading.Lock()
        self._create((320, 320))

    def run(self, picture: Image.Image) -> np.ndarray:
        """See the head of this file."""
        size = picture.size
        with self._lock:
            idle = self._idle.get(size)
            network = idle.pop() if idle else None
        network = network or self._create(size)
        rows = network.detect(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))[1]  # RGB -> BGR
        with self._lock:
            self._idle.setdefault(size, []).append(network)
            self._idle.move_to_end(size)
            while len(self._idle) > MAX_SIZES:
                self._idle.popitem(last=False)
        return np.empty((0, 15), np.float32) if rows is None else rows

    def _create(self, size: tuple[int, int]):
        cv2 = import_cv2()
        levels = cv2.utils.logging
        previous = levels.setLogLevel(levels.LOG_LEVEL_ERROR)  # OpenCV 5.0 warns of a target that nobody set
        try:
            return cv2.FaceDetectorYN.create(
                self._weights, "", size, score_threshold=self._threshold, nms_threshold=OVERLAP
            )
        finally:
            levels.setLogLevel(previous)
