"""
Square face crops framed like the faces that the model was trained on (FER+).

Coordinates are continuous: the pixel (column i, row j) covers [i, i + 1) x [j, j + 1), so a picture spans
[0, width] x [0, height].
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from .face import Face

# Distance between the eyes in units of the box size (median 0.40; 2 % of FER+ below 0.26): it shrinks as a face turns
# to the side. The slope of the eyes is the roll down to the first figure; FER+ crops lie around the eyes down to the
# second, around the box below it.
ROLL_EYE_DISTANCE = 0.2
CENTER_EYE_DISTANCE = 0.3
# Detectors find no face beyond this roll, in degrees; a steeper pair of eyes is a mistake.
MAX_ROLL = 60.0


@dataclass(frozen=True)
class CropGeometry:
    """
    How a detector's faces relate to FER+ crops, measured by train/measure_crop_geometry.py.

    Attributes:
        scale: side of the crop in units of the box size, which is sqrt(width * height).
        shift: from the centre of the box to the centre of the crop, down the face, in units of the crop's side.
        eye_shift: the same from the middle between the eyes; None for a detector without eyes.
    """

    scale: float
    shift: float
    eye_shift: float | None = None


# Medians of 562 (yunet) and 428 (hog) faces that were found in 600 images:
# python train/measure_crop_geometry.py --data_dir FERPLUS --samples 600 --seed 0
GEOMETRIES: dict[str, CropGeometry] = {
    "yunet": CropGeometry(scale=1.144, shift=0.011, eye_shift=0.114),
    "hog": CropGeometry(scale=1.199, shift=-0.056),
}


def centering_eyes(face: Face) -> np.ndarray | None:
    """The eyes (2, 2), one (x, y) a row, if the crop is to lie around them; None for its box."""
    return _eyes_apart(face, CENTER_EYE_DISTANCE)


def face_roll(face: Face) -> float:
    """Roll of a face in degrees, positive when the eye on the right of the picture is lower; 0 if unknown."""
    eyes = _eyes_apart(face, ROLL_EYE_DISTANCE)
    return 0.0 if eyes is None else _slope(eyes)


def crop_transform(
    face: Face, *, size: int | None = None, margin: float = 1.0, geometry: CropGeometry | None = None
) -> np.ndarray:
    """
    The affine map from the crop that `crop_face` makes with the same arguments back to the photo.

    Args:
        face: the face, in pixels of the photo.
        size: side of the crop in pixels; None for the photo's own resolution.
        margin: multiplies the side of the crop; 1 frames faces as in training.
        geometry: replaces the measured one of `face.detector`.

    Returns:
        (2, 3) float64 `[A | b]`: the point p = (x, y) of the crop is A @ p + b in the photo. For a face of the
        detector "none" the crop is the box itself, so A only stretches.

    Raises:
        ValueError: no geometry is known for `face.detector`, or `size` or `margin` is not positive.
    """
    if face.turn:
        back, upright = _upright(face)
        return back @ crop_transform(upright, size=size, margin=margin, geometry=geometry)
    if margin <= 0 or (size is not None and size < 1):
        raise ValueError(f"size and margin must be positive, got size={size}, margin={margin}")
    if face.detector == "none" and geometry is None:
        left, top, right, bottom = face.box
        across = 1.0 if size is None else (right - left) / size
        down = 1.0 if size is None else (bottom - top) / size
        return np.array([[across, 0.0, left], [0.0, down, top]])
    (center_x, center_y), side = _crop_square(face, margin, geometry)
    pixels = size or max(1, round(side))
    roll = math.radians(face_roll(face))
    step = side / pixels  # photo pixels per crop pixel
    cos, sin = step * math.cos(roll), step * math.sin(roll)
    half = pixels / 2
    return np.array(
        [
            [cos, -sin, center_x - half * (cos - sin)],
            [sin, cos, center_y - half * (sin + cos)],
        ]
    )


def crop_face(
    image: Image.Image,
    face: Face,
    *,
    size: int | None = None,
    margin: float = 1.0,
    geometry: CropGeometry | None = None,
) -> Image.Image:
    """
    Cut one face out of a photo: square, level, with the margin of the training faces.

    Args:
        image: the RGB photo that `face` was found in.
        face, size, margin, geometry: see `crop_transform`.

    Returns:
        An RGB picture (size, size), resampled once; where it reaches beyond the photo, the photo's edge goes on.
        A face of the detector "none" that spans the whole image comes back as that image, unchanged unless `size`
        is given.

    Raises:
        ValueError: see `crop_transform`.
    """
    matrix = crop_transform(face, size=size, margin=margin, geometry=geometry)
    if face.detector == "none" and geometry is None:
        if size is not None:
            return image.resize((size, size), Image.Resampling.BICUBIC, box=face.box)
        whole = (0, 0, image.width, image.height)
        return image if tuple(face.box) == whole else image.crop(tuple(map(round, face.box)))
    pixels = size or max(1, round(_crop_square(face, margin, geometry)[1]))
    return warp(image, matrix, pixels)


def _upright(face: Face) -> tuple[np.ndarray, Face]:
    """A turned face in a system of coordinates in which it is upright, and the way (2, 2) from there to the photo."""
    cos, sin = round(math.cos(math.radians(face.turn))), round(math.sin(math.radians(face.turn)))
    back = np.array([[cos, -sin], [sin, cos]])  # y goes down, so that this turns clockwise
    corners = np.reshape(face.box, (2, 2)) @ back  # the inverse is the transpose
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    eyes = face.eyes and tuple(tuple(eye) for eye in (np.array(face.eyes) @ back).tolist())
    return back, replace(face, box=box, eyes=eyes, turn=0)


def warp(image: Image.Image, matrix: np.ndarray, size: int) -> Image.Image:
    """
    Resample a square out of a picture.

    Args:
        image: RGB picture.
        matrix: (2, 3), from points of the result to points of `image`.
        size: side of the result in pixels.

    Returns:
        An RGB picture (size, size). Points outside `image` repeat its edge. When the result is coarser than
        `image`, each of its pixels is the mean of a grid of samples (no aliasing).
    """
    step = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    samples = max(1, math.ceil(step - 0.01))  # per pixel and axis
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    left, top = np.floor(corners.min(axis=1)).astype(int) - 2  # bicubic reads two pixels further
    right, bottom = np.ceil(corners.max(axis=1)).astype(int) + 2
    region = _region(image, left, top, right, bottom)
    a, b, x, c, d, y = matrix.ravel()
    fine = region.transform(
        (size * samples, size * samples),
        Image.Transform.AFFINE,
        (a / samples, b / samples, x - left, c / samples, d / samples, y - top),
        # averaging follows where there are several samples: the costlier filter would change nothing
        resample=Image.Resampling.BICUBIC if samples == 1 else Image.Resampling.BILINEAR,
    )
    return fine.reduce(samples) if samples > 1 else fine


def map_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Send points (..., 2) through an affine map (2, 3); gives (..., 2)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def _eyes_apart(face: Face, least: float) -> np.ndarray | None:
    """The eyes (2, 2) of a face, if they are `least` box sizes apart and their slope is plausible."""
    if face.eyes is None:
        return None
    eyes = np.array(face.eyes, dtype=np.float64)
    if math.dist(*eyes) < least * face.size or abs(_slope(eyes)) > MAX_ROLL:
        return None
    return eyes


def _slope(eyes: np.ndarray) -> float:
    """Slope in degrees of the line from the first to the second of two points (2, 2)."""
    across, down = eyes[1] - eyes[0]
    return math.degrees(math.atan2(down, across))


def _crop_square(face: Face, margin: float, geometry: CropGeometry | None) -> tuple[tuple[float, float], float]:
    """Centre (x, y) and side of the crop, in pixels of the photo."""
    if geometry is None:
        if face.detector not in GEOMETRIES:
            raise ValueError(f"no crop geometry for the detector {face.detector!r}: pass one (have {list(GEOMETRIES)})")
        geometry = GEOMETRIES[face.detector]
    side = geometry.scale * face.size
    eyes = centering_eyes(face)
    if eyes is not None and geometry.eye_shift is not None:
        start, shift = eyes.mean(axis=0), geometry.eye_shift
    else:
        left, top, right, bottom = face.box
        start, shift = np.array([left + right, top + bottom]) / 2, geometry.shift
    roll = math.radians(face_roll(face))
    x, y = start + shift * side * np.array([-math.sin(roll), math.cos(roll)])  # down the face
    return (float(x), float(y)), side * margin


def _region(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """The part [left, right) x [top, bottom) of a picture, its edge repeated outside."""
    if left >= 0 and top >= 0 and right <= image.width and bottom <= image.height:
        return image.crop((left, top, right, bottom))
    # Only the rows and columns that exist are copied before repeating: a crop of a large photo stays cheap.
    columns = np.clip(np.arange(left, right), 0, image.width - 1)
    rows = np.clip(np.arange(top, bottom), 0, image.height - 1)
    inside = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    pixels = np.asarray(inside)[np.ix_(rows - rows[0], columns - columns[0])]
    return Image.fromarray(pixels)
