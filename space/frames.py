"""Pictures that the page's own scripts send inside of a request, not as uploads."""

import base64
from typing import Any

from PIL import Image

from grefel_hf.faces.photos import PhotoError

from .limits import LIVE_SIDE
from .uploads import PHOTOS

DATA_URI = "data:image/"
MOST_SIDE = 2 * LIVE_SIDE


def decode_frame(uri: Any) -> Image.Image:
    """
    The picture in a data URI: JPEG, PNG or WebP.

    Raises:
        ValueError: it is none, or a large one: frames are small.
    """
    if not isinstance(uri, str) or not uri.startswith(DATA_URI):
        raise ValueError("A live frame has to be a picture in a data URI.")
    try:
        content = base64.b64decode(uri.partition(",")[2])
        if not (content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or content[8:12] == b"WEBP"):
            raise ValueError("another format")
        image = PHOTOS.read(content, MOST_SIDE**2).image
    except (PhotoError, ValueError):
        raise ValueError("This frame cannot be read.") from None
    if max(image.size) > MOST_SIDE:
        raise ValueError(f"This frame is too large, the limit is {MOST_SIDE} pixels a side.")
    image.thumbnail((LIVE_SIDE, LIVE_SIDE))
    return image
