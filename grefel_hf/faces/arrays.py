"""Arrays and tensors as pictures."""

from typing import Any

import numpy as np
from PIL import Image

from ..model.pixels import to_8_bits

CHANNELS = (1, 3, 4)
CHANNEL_ORDERS = ("rgb", "bgr")


def is_array(source: Any) -> bool:
    """NumPy's, and what turns into one: tensors of torch, TensorFlow and JAX, columns of pandas."""
    return hasattr(source, "__array__") and not isinstance(source, Image.Image | str | bytes)  # NumPy has texts, too


def picture_of(source: Any, channel_order: str | None = None) -> tuple[Image.Image, tuple[str, ...]]:
    """
    Args:
        source: (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels, uint8, uint16 or floating point in [0, 1]. What
            could be both, channels first or last, is taken as its kind has it: first for torch's tensors.
        channel_order: "rgb", also if None, or "bgr".

    Returns:
        The picture, and notes on how it was read.

    Raises:
        ValueError: another shape, type, range or order.
    """
    if channel_order not in (None, *CHANNEL_ORDERS):
        raise ValueError(f"unknown channel_order {channel_order!r}: choose rgb or bgr")
    array = _channels_last(_as_numpy(source), first_in_doubt=hasattr(source, "detach"))
    if array.size == 0:
        raise ValueError(f"an array of shape {array.shape} has no pixels: pass a photo")
    array = _as_uint8(array)
    if array.ndim == 2:
        return Image.fromarray(np.ascontiguousarray(array)), ()
    if channel_order == "bgr":
        array = array[:, :, [2, 1, 0, 3][: array.shape[2]]]
    notes = () if channel_order else ("an array, read as RGB; pass channel_order='bgr' for one of OpenCV",)
    return Image.fromarray(np.ascontiguousarray(array)), notes


def _as_numpy(source: Any) -> np.ndarray:
    try:
        if hasattr(source, "detach"):
            source = source.detach().cpu()
            source = source.float() if "bfloat16" in str(source.dtype) else source  # which NumPy does not have
        return np.asarray(source)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"a {type(source).__name__} cannot be read as an array: {error}") from error


def _channels_last(array: np.ndarray, first_in_doubt: bool) -> np.ndarray:
    """(H, W) or (H, W, 3 or 4)."""
    if array.ndim == 3:
        first, last = array.shape[0] in CHANNELS, array.shape[2] in CHANNELS
        if first and (not last or first_in_doubt):
            array, last = np.moveaxis(array, 0, 2), True  # (C, H, W) -> (H, W, C)
        if last:
            return array[:, :, 0] if array.shape[2] == 1 else array
    elif array.ndim == 2:
        return array
    raise ValueError(
        f"an array of shape {array.shape} is not a photo: pass (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels"
    )


def _as_uint8(array: np.ndarray) -> np.ndarray:
    if np.issubdtype(array.dtype, np.floating):
        # `not (... <= ...)` also catches NaN
        if not (array.min() >= 0 and array.max() <= 1):
            raise ValueError("a float array must lie in [0, 1]: scale it, or pass uint8")
        return np.round(array.astype(np.float64) * 255).astype(np.uint8)
    if array.dtype == np.uint16:
        return to_8_bits(array)
    if array.dtype != np.uint8:
        raise ValueError(f"an array of type {array.dtype} is not a photo: pass uint8, uint16, or float in [0, 1]")
    return array
