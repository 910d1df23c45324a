"""Pictures that the page's own scripts send inside of a request, not as uploads."""

import base64
import io
from typing import Any

from PIL import Image

from grefel_hf.faces.photos import PhotoError, load_photo

from .limits import LIVE_SIDE

DATA_URI = "data:image/"


def decode_frame(uri: Any) -> Image.Image:
    """
    The picture in a data URI.

    Raises:
        ValueError: it is none, or a large one: frames are small.
    """
    if not isinstance(uri, str) or not uri.startswith(DATA_URI):
        raise ValueError("A live frame has to be a picture in a data URI.")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])), formats=["JPEG", "PNG", "WEBP"])
        if max(image.size) <= 2 * LIVE_SIDE:
            image = load_photo(image)
            image.thumbnail((LIVE_SIDE, LIVE_SIDE))
            return image
    except (PhotoError, ValueError, OSError):
        raise ValueError("This frame cannot be read.") from None
    raise ValueError(f"This frame is too large, the limit is {2 * LIVE_SIDE} pixels a side.")
