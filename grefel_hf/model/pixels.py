"""From whatever Pillow can open to 8-bit RGB, the same for training, the pipeline and the predictor."""

import numpy as np
from PIL import Image

# ITU-R BT.601 luma, which is also what Pillow's mode "L" is made by.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# What deep greyscale is scaled by: the smallest of these that holds its values. Cameras and scanners store 10, 12 or
# 14 bits in files of 16.
FULL_SCALES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
PART_PIXELS = 1_000_000  # scaled at once, as 64-bit numbers: of a whole photo they would take gigabytes


def to_rgb(image: Image.Image) -> Image.Image:
    """
    A picture as mode "RGB", transparency laid on white, deep greyscale brought to 8 bits (see `to_8_bits`).

    Raises:
        ValueError: its values are not finite.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return Image.fromarray(to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """
    Deep integers or floats of any shape to uint8.

    The full scale is 1 for fractions from 0 to 1, else the smallest of `FULL_SCALES` that holds the values; values
    beyond all of these are stretched from the least to the largest.

    Raises:
        ValueError: values are not finite.
    """
    flat = values.reshape(-1)
    parts = np.array_split(flat, max(1, flat.size // PART_PIXELS))
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("its pixels are not finite")
    low, high = float(flat.min()), float(flat.max())
    start = 0.0
    if low < 0 or high > FULL_SCALES[-1]:
        start, full = low, max(high - low, 1e-12)
    elif high <= 1 and not all(np.array_equal(part, np.round(part)) for part in parts):
        full = 1.0
    else:
        full = next(scale for scale in FULL_SCALES if high <= scale)
    scaled = [np.round((part.astype(np.float64) - start) * (255.0 / full)).astype(np.uint8) for part in parts]
    return np.concatenate(scaled).reshape(values.shape)


def to_grayscale(image: np.ndarray) -> np.ndarray:
    """(C, H, W) with RGB first to (C, H, W) with channels that are all alike, of the same dtype."""
    luma = np.tensordot(LUMA, image[:3].astype(np.float32), axes=1)  # (3, H, W) -> (H, W)
    if np.issubdtype(image.dtype, np.integer):
        luma = luma.round()
    return np.broadcast_to(luma.astype(image.dtype), image.shape)
