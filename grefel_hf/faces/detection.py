"""
Finding faces in a photo: YuNet (OpenCV), HOG (dlib), or none for images that are face crops already.

cv2 and dlib are imported when a detector is made, so that the package works without the one it does not use.
"""

import logging
import math
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from PIL import Image

from .cropping import CropGeometry, crop_transform, face_roll, map_points, warp
from .yunet_networks import open_yunet

logger = logging.getLogger("grefel_hf")

DETECTORS = ("auto", "yunet", "hog", "none")
YUNET_VARIABLE = "GREFEL_YUNET"
YUNET_REPOSITORY = "opencv/face_detection_yunet"
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
FETCH_SECONDS = 6.0  # how long "auto" waits for the weights

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class DetectorUnavailableError(RuntimeError):
    """A detector whose library or weights are missing; the message says how to get them."""


@dataclass(frozen=True)
class Face:
    """
    One face in a photo, in pixels of the upright photo.

    Attributes:
        box: left, top, right, bottom; may reach beyond the photo.
        score: the detector's own certainty in [0, 1], comparable within one detector only.
        eyes: the eye on the left of the picture, then the one on the right, as (x, y); None if not given.
        detector: name of the detector whose convention `box` follows (how much of the head it spans).
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None
    detector: str = "yunet"


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


class YuNetDetector:
    """
    YuNet, which runs on ONNX Runtime where that is installed, else on OpenCV.

    Each photo is searched at two resolutions, because YuNet misses faces of over 300 pixels and invents some inside
    them. Each face found is then measured again at one size, level: YuNet's eyes follow the roll of a face only from
    about 160 pixels (smaller faces come back nearly level), and the extent of its boxes changes by 15 % with size.

    Args:
        model_path: face_detection_yunet_2023mar.onnx.
        score_threshold: least score of a face. On the six group photos that it was set with, faces scored 0.81 and
            more, and what is no face 0.72 at most.

    Raises:
        DetectorUnavailableError: OpenCV is missing, or it cannot read the file.
    """

    name = "yunet"
    search_sides = (640, 1280)  # the photo's longer side is brought between these, in pixels,
    coarse_side = 320  # and to this
    least_side = 10  # no face is found in fewer pixels, and OpenCV 4.14 answers with NaN for slivers of two
    measure_face = 168  # box size at which a face is measured; YuNet's geometry was measured at this size
    measure_canvas = 320
    steady_roll = 5.0  # degrees; a face that leans more is measured a second time, levelled

    def __init__(self, model_path: str | os.PathLike, score_threshold: float = 0.75) -> None:
        cv2 = _import_cv2()
        if not Path(model_path).is_file():
            raise DetectorUnavailableError(f"the YuNet weights {model_path} do not exist")
        try:
            self._network = open_yunet(str(model_path), score_threshold)
        except cv2.error as error:
            raise DetectorUnavailableError(f"OpenCV cannot read the YuNet weights {model_path}: {error}") from error

    def detect(self, image: Image.Image) -> list[Face]:
        """Find the faces of an upright RGB photo, with eyes, from left to right."""
        found: list[Face] = []
        # Small photos are enlarged (at most fourfold), because YuNet finds little under 20 pixels. Enlarging those of
        # 640 pixels and more, too, would triple the time for faces of a dozen pixels, which show no expression.
        least, most = self.search_sides
        fine_side = min(most, max(least, *image.size))
        for scale in dict.fromkeys(min(side / max(image.size), 4.0) for side in (fine_side, self.coarse_side)):
            found += self._search(image, scale)
        faces = [self._measure(image, face) for face in _without_overlaps(found)]
        return _reading_order(_without_overlaps(faces))

    def _search(self, image: Image.Image, scale: float) -> list[Face]:
        size = tuple(max(1, round(side * scale)) for side in image.size)
        if min(size) < self.least_side:
            return []
        resized = image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)
        ratio = np.array(image.size) / np.array(size)
        to_photo = np.array([[ratio[0], 0.0, 0.0], [0.0, ratio[1], 0.0]])
        return self._run(resized, to_photo)

    def _measure(self, image: Image.Image, face: Face) -> Face:
        """Give a face the box and eyes that YuNet sees at the standard size; the score stays."""
        canvas = CropGeometry(scale=self.measure_canvas / self.measure_face, shift=0.0)
        level = replace(face, eyes=None)
        for _ in range(2):
            to_photo = crop_transform(level, size=self.measure_canvas, geometry=canvas)
            seen = self._run(warp(image, to_photo, self.measure_canvas), to_photo)
            seen = [other for other in seen if _overlap(other.box, face.box) > 0.5]
            if not seen:
                break
            best = max(seen, key=lambda other: other.score)
            face = level = replace(best, score=face.score)
            if abs(face_roll(face) - _roll_of(to_photo)) < self.steady_roll:
                break
        return face

    def _run(self, image: Image.Image, to_photo: np.ndarray) -> list[Face]:
        """Faces of `image`, sent through the affine map (2, 3) to the photo; boxes keep their size in the turn."""
        pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])  # RGB -> BGR
        rows = self._network.run(pixels)
        step = math.sqrt(np.linalg.det(to_photo[:, :2]))
        faces = []
        for row in rows[np.isfinite(rows).all(axis=1)].astype(np.float64):  # (15,): x, y, w, h, five points, score
            x, y = map_points(to_photo, row[:2] + row[2:4] / 2)
            half_w, half_h = row[2:4] * step / 2
            box = (float(x - half_w), float(y - half_h), float(x + half_w), float(y + half_h))
            eyes = sorted(tuple(map(float, eye)) for eye in map_points(to_photo, row[4:8].reshape(2, 2)))
            faces.append(Face(box, min(1.0, float(row[14])), (eyes[0], eyes[1]), self.name))
        return faces


class HogDetector:
    """
    dlib's frontal face detector: histograms of gradients and a linear classifier, no file to fetch.

    It finds frontal faces of at least 80 pixels in the resized photo and gives no eyes. Its margin m (the signed
    distance from the classifier's plane, 0.2 to 3 for faces) becomes the score 1 / (1 + exp(-m)), no probability.

    Args:
        margin_threshold: least margin of a face. On the six group photos that it was set with, faces had 0.43 and
            more, and what is no face 0.13 at most.

    Raises:
        DetectorUnavailableError: dlib is missing.
    """

    name = "hog"
    search_sides = (960, 1920)  # the photo's longer side is brought between these, in pixels

    def __init__(self, margin_threshold: float = 0.2) -> None:
        self._detector = _import_dlib().get_frontal_face_detector()
        self._threshold = margin_threshold
        self._lock = threading.Lock()

    def detect(self, image: Image.Image) -> list[Face]:
        """Find the frontal faces of an upright RGB photo, from left to right."""
        least, most = self.search_sides
        longer = max(image.size)
        scale = min(most / longer, max(1.0, min(least / longer, 4.0)))
        size = tuple(max(1, round(side * scale)) for side in image.size)
        resized = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
        with self._lock:
            boxes, margins, _ = self._detector.run(np.asarray(resized), 0, self._threshold)
        across, down = image.width / size[0], image.height / size[1]
        faces = [
            # dlib's right and bottom are the last pixels inside
            Face(
                (box.left() * across, box.top() * down, (box.right() + 1) * across, (box.bottom() + 1) * down),
                1 / (1 + math.exp(-margin)),
                detector=self.name,
            )
            for box, margin in zip(boxes, margins, strict=True)
        ]
        return _reading_order(faces)


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
        return YuNetDetector(_yunet_weights())
    return _best_detector()


def _best_detector() -> FaceDetector:
    configured = _configured_weights()  # a wrong setting is reported, not passed over
    try:
        path = configured or _cached_weights() or _fetch_in_time()
        detector: FaceDetector = YuNetDetector(path)
    except DetectorUnavailableError as reason:
        detector = HogDetector()
        _log_once(logging.WARNING, f"face detector: HOG, which finds frontal faces only, because {reason}")
    else:
        _log_once(logging.INFO, f"face detector: YuNet, its weights are at hand ({path})")
    return detector


@cache
def _log_once(level: int, message: str) -> None:
    logger.log(level, message)


def _yunet_weights() -> str:
    path = _configured_weights() or _cached_weights()
    if path:
        return path
    _import_cv2()  # no download for a detector that cannot run
    try:
        return _fetch_weights()
    except Exception as error:  # httpx, OS and Hub errors alike: the weights cannot be had
        raise DetectorUnavailableError(_how_to_get_weights(error)) from error


def _configured_weights() -> str | None:
    path = os.environ.get(YUNET_VARIABLE)
    if not path:
        return None
    if not Path(path).is_file():
        raise DetectorUnavailableError(f"{YUNET_VARIABLE} names {path}, which does not exist: correct or unset it")
    return path


def _cached_weights() -> str | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(YUNET_REPOSITORY, YUNET_FILE)
    return path if isinstance(path, str) else None  # or a marker that the Hub has no such file


def _fetch_weights() -> str:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    # Asked first because, offline, hf_hub_download tries again for 25 s and logs each attempt; this fails at once.
    get_hf_file_metadata(hf_hub_url(YUNET_REPOSITORY, YUNET_FILE), timeout=FETCH_SECONDS / 2)
    return hf_hub_download(YUNET_REPOSITORY, YUNET_FILE, etag_timeout=FETCH_SECONDS / 2)


@cache  # a process that is offline waits once
def _fetch_outcome() -> tuple[str | None, str]:
    """Path of the weights, or None and why there are none."""
    outcome: list[tuple[str | None, str]] = []

    def fetch() -> None:
        try:
            outcome.append((_fetch_weights(), ""))
        except Exception as error:  # a thread must not die loudly: HOG takes over
            outcome.append((None, _how_to_get_weights(error)))

    # The Hub's own time limits hold per connection, and none covers the name server: a thread bounds the whole.
    thread = threading.Thread(target=fetch, daemon=True, name="fetch-yunet")
    thread.start()
    thread.join(FETCH_SECONDS)
    late = (None, _how_to_get_weights(f"nothing came within {FETCH_SECONDS:g} s"))
    return outcome[0] if outcome else late


def _fetch_in_time() -> str:
    _import_cv2()  # no download for a detector that cannot run
    path, reason = _fetch_outcome()
    if path is None:
        raise DetectorUnavailableError(reason)
    return path


def _how_to_get_weights(reason: object) -> str:
    first_line = str(reason).strip().partition("\n")[0].rstrip(".") or type(reason).__name__
    return (
        f"the YuNet weights ({YUNET_FILE}) are not at hand and could not be fetched ({first_line}): set "
        f"{YUNET_VARIABLE} to a local copy, or connect to the Hub once"
    )


def _import_cv2() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise DetectorUnavailableError(f"YuNet needs OpenCV ({error}): pip install opencv-python-headless") from error
    if not hasattr(cv2, "FaceDetectorYN"):
        raise DetectorUnavailableError("YuNet needs OpenCV 4.8 or later: pip install -U opencv-python-headless")
    return cv2


def _import_dlib() -> ModuleType:
    try:
        import dlib
    except ImportError as error:
        raise DetectorUnavailableError(f"HOG needs dlib ({error}): pip install dlib-bin") from error
    return dlib


def _reading_order(faces: Iterable[Face]) -> list[Face]:
    """From left to right by the centre of the box, then from top to bottom."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3], -face.score))


def _without_overlaps(faces: Iterable[Face]) -> list[Face]:
    """Drop each face that covers, or is covered by, most of a face with a better score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face.box, other.box) < 0.5 for other in kept):
            kept.append(face)
    return kept


def _overlap(one: Box, other: Box) -> float:
    """Shared area of two boxes in units of the smaller one, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / min(areas)


def _roll_of(matrix: np.ndarray) -> float:
    """Angle in degrees by which an affine map (2, 3) turns the picture."""
    return math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
