"""Images in which a detector finds no face."""

from collections.abc import Iterable

import numpy as np
from datasets import Dataset
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from grefel_hf.faces.detection import FaceDetector
from grefel_hf.model.pixels import to_rgb
from grefel_train.data.dataset import read_image

SIDE = 192  # that a small crop is enlarged to, in pixels
MARGIN = 0.25  # of the side, added all around: detectors were taught whole heads, and crops cut them


def find_faceless(images: Dataset, positions: Iterable[int], detector: FaceDetector) -> list[int]:
    """
    Args:
        images: with the column `image`, undecoded.
        positions: which of them to look at; all can be read.
    """
    bar = tqdm(list(positions), desc="faces", leave=False)
    return [position for position in bar if not detector.detect(roomy(read_image(images[position]["image"])))]


def roomy(image: Image.Image) -> Image.Image:
    """A face crop as a photo: RGB, at least SIDE pixels wide, with its edge carried on all around."""
    image = to_rgb(image)
    if min(image.size) < SIDE:
        image = ImageOps.scale(image, SIDE / min(image.size))
    margin = round(MARGIN * min(image.size))
    return Image.fromarray(np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
