"""YuNet, the face detector of choice: searches a photo at two resolutions and measures each face at one size."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..bulk import overlapped
from .cropping import CropGeometry, crop_transform, face_roll, map_points, warp
from .face import Box, DetectorUnavailableError, Face, Point, overlap, reading_order, without_overlaps
from .turns import TURNS, in_photo, likely_turn, turned_back
from .yunet_networks import import_cv2, open_yunet

MIN_SCORE = 0.75
_AS_IT_IS = np.eye(2, 3)


class YuNetDetector:
    """
    YuNet, which runs on ONNX Runtime where that is installed, else on OpenCV.

    Each photo is searched at two resolutions, because YuNet misses faces of over 300 pixels and invents some inside
    them; panoramas and huge photos are searched in tiles. Each face found is then measured again at one size, level:
    YuNet's eyes follow the roll of a face only from about 160 pixels (smaller faces come back nearly level), and the
    extent of its boxes changes by 15 % with size.

    YuNet finds many faces that lie or stand on their head, too, with points as if they were upright, but is less sure
    of them than of the same faces upright. Where at least half of a photo's faces leave doubt, or there is none, the
    other turns are tried.

    Args:
        model_path: face_detection_yunet_2023mar.onnx.
        min_score: least score of a face; None for 0.75. On the six group photos that this was set with, faces scored
            0.81 and more, and what is no face 0.72 at most.

    Raises:
        DetectorUnavailableError: OpenCV is missing, or it cannot read the file.
    """

    name = "yunet"
    search_sides = (640, 1280)  # the photo's longer side is brought between these, in pixels,
    coarse_side = 320  # and to this
    least_side = 10  # no face is found in fewer pixels, and OpenCV 4.14 answers with NaN for slivers of two
    measure_face = 168  # box size at which a face is measured; YuNet's geometry was measured at this size
    measure_canvas = 320
    least_scale = 1 / 8  # to which a photo is reduced: smaller faces than 100 pixels of a huge one are not looked for,
    least_across = 640  # nor is the shorter side brought below this, in pixels (and below a quarter, coarsely)
    tile_overlap = 160
    trusted = 0.9  # least score at `measure_face` at which a face is surely upright: of 24 upright faces 22 had more
    company = 0.05  # so much likelier is a face that stands as most faces of the photo do
    asked = 3  # doubtful faces that are looked at in every turn
    steady_roll = 5.0  # degrees; a face that leans more is measured a second time, levelled

    def __init__(self, model_path: str | os.PathLike, min_score: float | None = None) -> None:
        cv2 = import_cv2()
        if not Path(model_path).is_file():
            raise DetectorUnavailableError(f"the YuNet weights {model_path} do not exist")
        try:
            self._network = open_yunet(str(model_path), MIN_SCORE if min_score is None else min_score)
        except cv2.error as error:
            raise DetectorUnavailableError(f"{model_path} holds no YuNet weights that can be read") from error

        self._canvas = CropGeometry(scale=self.measure_canvas / self.measure_face, shift=0.0)

    def detect(self, image: Image.Image) -> list[Face]:
        """Find the faces of an RGB photo, with eyes, from left to right."""
        faces = self._upright_faces(image)
        for turn in self._turns(image, faces):
            turned = self._upright_faces(turned_back(image, turn))
            faces |= {in_photo(face, turn, image.size): certainty for face, certainty in turned.items()}
        main = max((0, *TURNS), key=lambda turn: sum(faces[face] for face in faces if face.turn == turn))
        return reading_order(
            without_overlaps(faces, lambda face: faces[face] + (self.company if face.turn == main else 0))
        )

    def follow(self, image: Image.Image, faces: list[Face]) -> list[Face] | None:
        """
        Where faces are that stood in about the same places in the frame before, measured as `detect` does, their scores
        as they were; None if one is not there any more or stands turned.
        """
        measured = dict(self._measure(image, face) for face in faces)
        seen = without_overlaps(face for face, certainty in measured.items() if certainty and not face.turn)
        return reading_order(seen) if len(seen) == len(faces) else None

    def _upright_faces(self, image: Image.Image) -> dict[Face, float]:
        """The faces that are found without turning the photo, and how certain they are at the standard size."""
        found: list[Face] = []
        # Small photos are enlarged (at most fourfold), because YuNet finds little under 20 pixels. Enlarging those of
        # 640 pixels and more, too, would triple the time for faces of a dozen pixels, which show no expression.
        least, most = self.search_sides
        longer, shorter = max(image.size), min(image.size)
        fine = min(most, max(least, longer)) / longer
        if longer > most:
            fine = max(fine, min(1.0, self.least_across / shorter), self.least_scale)
        coarse = max(self.coarse_side / longer, fine * self.coarse_side / most)
        image.load()  # no two threads read the file
        scales = dict.fromkeys(min(scale, 4.0) for scale in (fine, coarse))
        for faces in overlapped(lambda scale: self._search(image, scale), scales, len(scales)):
            found += faces
        faces = dict(self._measure(image, face) for face in without_overlaps(found))
        return {face: faces[face] for face in without_overlaps(faces)}

    def _turns(self, image: Image.Image, faces: dict[Face, float]) -> set[int]:
        """At which turns of the photo to look for more, from its upright faces."""
        if not faces:
            turn = likely_turn(image, lambda small: self._search(small, 1.0))
            return {turn} if turn else set()
        doubtful = [face for face, certainty in faces.items() if certainty < self.trusted]
        if 2 * len(doubtful) < len(faces):
            return set()
        largest = sorted(doubtful, key=lambda face: -face.size)[: self.asked]
        return {turn for face in largest if (turn := self._best_turn(image, face, faces[face]))}

    def _best_turn(self, image: Image.Image, face: Face, certainty: float) -> int:
        """The turn at which YuNet is most certain of a face; 0 if it is as it is."""
        to_photo = crop_transform(replace(face, eyes=None), size=self.measure_canvas, geometry=self._canvas)
        canvas = warp(image, to_photo, self.measure_canvas)
        middle = (self.measure_canvas / 2,) * 2
        best = 0
        for turn in TURNS:
            seen = [other for other in self._run(turned_back(canvas, turn), _AS_IT_IS) if _holds(other.box, middle)]
            score = max((other.score for other in seen), default=0.0)
            if score > certainty:
                best, certainty = turn, score
        return best

    def _search(self, image: Image.Image, scale: float) -> list[Face]:
        size = tuple(max(1, round(side * scale)) for side in image.size)
        if min(size) < self.least_side:
            return []
        resized = image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)
        ratio = np.array(image.size) / np.array(size)
        found: list[Face] = []
        for left, top, right, bottom in self._tiles(*size):
            to_photo = np.array([[ratio[0], 0.0, left * ratio[0]], [0.0, ratio[1], top * ratio[1]]])
            tile = (left, top, right, bottom)
            found += self._run(resized if tile == (0, 0, *size) else resized.crop(tile), to_photo)
        return found

    def _tiles(self, width: int, height: int) -> list[tuple[int, int, int, int]]:
        """Boxes of at most the larger of `search_sides` that cover a picture and overlap; one for most pictures."""
        side = self.search_sides[1]
        columns, rows = (_spread(length, side, self.tile_overlap) for length in (width, height))
        return [(x, y, min(x + side, width), min(y + side, height)) for y in rows for x in columns]

    def _measure(self, image: Image.Image, face: Face) -> tuple[Face, float]:
        """A face with the box and eyes that YuNet sees at the standard size, the score as it was; the score there."""
        level, certainty = replace(face, eyes=None), 0.0
        for _ in range(2):
            to_photo = crop_transform(level, size=self.measure_canvas, geometry=self._canvas)
            seen = self._run(warp(image, to_photo, self.measure_canvas), to_photo)
            seen = [other for other in seen if overlap(other.box, face.box) > 0.5]
            if not seen:
                break
            best = max(seen, key=lambda other: other.score)
            face = level = replace(best, score=face.score)
            certainty = max(certainty, best.score)
            if abs(face_roll(face) - _roll_of(to_photo)) < self.steady_roll:
                break
        return face, certainty

    def _run(self, image: Image.Image, to_photo: np.ndarray) -> list[Face]:
        """Faces of `image`, sent through the affine map (2, 3) to the photo; boxes keep their size in the turn."""
        rows = self._network.run(image)
        step = math.sqrt(np.linalg.det(to_photo[:, :2]))
        faces = []
        for row in rows[np.isfinite(rows).all(axis=1)].astype(np.float64):  # (15,): x, y, w, h, five points, score
            x, y = map_points(to_photo, row[:2] + row[2:4] / 2)
            half_w, half_h = row[2:4] * step / 2
            box = (float(x - half_w), float(y - half_h), float(x + half_w), float(y + half_h))
            eyes = sorted(tuple(map(float, eye)) for eye in map_points(to_photo, row[4:8].reshape(2, 2)))
            faces.append(Face(box, min(1.0, float(row[14])), (eyes[0], eyes[1]), self.name))
        return faces


def _spread(length: int, side: int, overlap: int) -> list[int]:
    """Starts of parts of `side` that cover `length`, evenly, each shared with the next by `overlap` at least."""
    parts = 1 if length <= side else math.ceil((length - overlap) / (side - overlap))
    return [round(index * (length - side) / (parts - 1)) if index else 0 for index in range(parts)]


def _holds(box: Box, point: Point) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _roll_of(matrix: np.ndarray) -> float:
    """Angle in degrees by which an affine map (2, 3) turns the picture."""
    return math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
