"""How the camera moved between two frames: what a pan does to all faces alike is no movement of theirs."""

import numpy as np
from PIL import Image

SIDES = (128, 72)  # of the grey pictures that are compared
# A shift explains what changed if no more than this share of the change is left after it,
MOST_LEFT = 0.5
# and if at least this share of the picture is in both frames: others cannot be compared.
LEAST_OVERLAP = 0.3
LEAST_CHANGE = 2.0  # of 255, mean: less is noise


def grey_thumbnail(image: Image.Image) -> np.ndarray:
    """(72, 128) greys."""
    return np.asarray(image.convert("L").resize(SIDES, Image.Resampling.BOX), dtype=np.float64)


def picture_shift(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """
    By how much everything moved to the right and down, as fractions of the picture's width and height, by phase
    correlation (Kuglin and Hines, 1975); None where no single shift explains what changed.

    Args:
        before, after: greys (72, 128) by `grey_thumbnail`.
    """
    change = np.abs(after - before).mean()
    if change < LEAST_CHANGE:
        return 0.0, 0.0
    window = np.outer(np.hanning(SIDES[1]), np.hanning(SIDES[0]))
    spectra = [np.fft.rfft2((picture - picture.mean()) * window) for picture in (before, after)]
    cross = spectra[1] * spectra[0].conj()
    correlation = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), before.shape)
    down, right = np.unravel_index(correlation.argmax(), correlation.shape)
    dx, dy = ((value + side // 2) % side - side // 2 for value, side in zip((right, down), SIDES))
    kept_before = before[max(-dy, 0) : SIDES[1] - max(dy, 0), max(-dx, 0) : SIDES[0] - max(dx, 0)]
    kept_after = after[max(dy, 0) : SIDES[1] - max(-dy, 0), max(dx, 0) : SIDES[0] - max(-dx, 0)]
    if kept_before.size < LEAST_OVERLAP * before.size or np.abs(kept_after - kept_before).mean() > MOST_LEFT * change:
        return None
    return dx / SIDES[0], dy / SIDES[1]
