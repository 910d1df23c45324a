"""Photos with known faces, and where a face lies."""

import math
import os
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from grefel_hf.faces.face import Face
from tests.helpers import REPOSITORY

SHARED = REPOSITORY.parent / "shared"
WEIGHTS_SETTING = os.environ.get("GREFEL_YUNET")  # before a test changes it
FACES_PER_PHOTO = [3, 3, 3, 4, 5, 4]


def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


def mosaic(images: list[Image.Image], columns: int) -> Image.Image:
    """One picture of equally large ones, row by row."""
    width, height = images[0].size
    joined = Image.new("RGB", (columns * width, height * math.ceil(len(images) / columns)))
    for index, image in enumerate(images):
        joined.paste(image, (index % columns * width, index // columns * height))
    return joined


def center(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return (left + right) / 2, (top + bottom) / 2


def box_side(face: Face) -> float:
    left, top, right, bottom = face.box
    return math.sqrt((right - left) * (bottom - top))


def yunet_weights() -> Path:
    return Path(WEIGHTS_SETTING or SHARED / "models" / "face_detection_yunet.onnx").absolute()


def photo_paths() -> list[Path]:
    paths = sorted((SHARED / "photos").glob("*.jpg"))
    if not paths:
        pytest.skip("no group photos: ../shared/photos is missing")
    return paths
