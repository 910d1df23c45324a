"""YuNet, the face detector of choice: searches a photo at two resolutions and measures each face at one size."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from .cropping import CropGeometry, crop_transform, face_roll, map_points, warp
from .face import DetectorUnavailableError, Face, overlap, reading_order, without_overlaps
from .yunet_networks import import_cv2, open_yunet


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
        cv2 = import_cv2()
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
        faces = [self._measure(image, face) for face in without_overlaps(found)]
        return reading_order(without_overlaps(faces))

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
            seen = [other for other in seen if overlap(other.box, face.box) > 0.5]
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


def _roll_of(matrix: np.ndarray) -> float:
    """Angle in degrees by which an affine map (2, 3) turns the picture."""
    return math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
