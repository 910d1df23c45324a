"""Pictures and tables inside the page's HTML as data URIs: nothing of an upload is written to a file to be served."""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image

PHOTO_SIDE = 1280  # longer side of the photo on the page, in pixels
MAP_SIDE = 96
FULL_DIFFERENCE = 0.1  # of the attention: less than this is never shown in full colour
_MORE, _LESS = np.array([255, 150, 20]), np.array([30, 60, 200])
# From little to much attention: dark violet, magenta, orange, pale yellow, on any skin and in grey.
_RAMP = np.array([[28, 14, 80], [140, 30, 130], [240, 120, 40], [255, 250, 170]], dtype=np.float64)


def jpeg_uri(image: Image.Image, side: int) -> str:
    """An RGB picture, reduced to at most `side` pixels, as a data URI."""
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _image_uri(image, "jpeg", quality=85)


def lossless_uri(image: Image.Image) -> str:
    """A picture as it is, as a data URI: what the page sends back gives the same answer."""
    return _image_uri(image, "webp", lossless=True, method=0)


def attention_uri(attention: np.ndarray) -> str:
    """
    An attention map (S, S) as a see-through picture to lay over the crop: the least attention clear and dark, the
    most bright. A constant map comes out clear.
    """
    spread = float(attention.max() - attention.min())
    level = (attention - attention.min()) / spread if spread > 0 else np.zeros_like(attention)
    grey = Image.fromarray((255 * level).astype(np.uint8))
    smooth = np.asarray(grey.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BICUBIC), dtype=np.float64) / 255
    stops = np.linspace(0, 1, len(_RAMP))
    colours = [np.interp(smooth, stops, _RAMP[:, channel]) for channel in range(3)]
    alpha = 255 * (0.1 + 0.55 * smooth) * (spread > 0)
    return _image_uri(Image.fromarray(np.stack([*colours, alpha], axis=-1).astype(np.uint8)), "png")


def difference_uri(difference: np.ndarray) -> str:
    """
    Where attention differs from the usual (S, S), as a see-through picture: orange where there is more, blue for less.
    """
    level = difference / max(float(np.abs(difference).max()), FULL_DIFFERENCE)
    grey = Image.fromarray(level.astype(np.float32))
    smooth = np.asarray(grey.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BICUBIC), dtype=np.float64).clip(-1, 1)
    colours = np.where(smooth[..., None] > 0, _MORE, _LESS)
    return _image_uri(Image.fromarray(np.dstack([colours, 200 * np.abs(smooth)]).astype(np.uint8)), "png")


def csv_uri(csv: str) -> str:
    """A table as a data URI."""
    return _data_uri(csv.encode(), "text/csv")


def json_uri(values: Any) -> str:
    """Figures as a data URI."""
    return _data_uri(json.dumps(values).encode(), "application/json")


def _image_uri(image: Image.Image, kind: str, **options) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return _data_uri(buffer.getvalue(), f"image/{kind}")


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
