"""GIF, WebP and PNG that move, by Pillow, which lays each frame over those before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from ..faces.photos import decodable_formats
from ..model.pixels import to_rgb

# Browsers show a frame that claims 10 ms or less for this long.
LEAST_SECONDS, USUAL_SECONDS = 0.011, 0.1


def moving_pictures(path: Path) -> Iterator[Any]:
    """First the size (width, height), then the frames as (seconds since the first, RGB picture)."""
    with Image.open(path, formats=decodable_formats()) as image:
        yield image.size
        time, index = 0.0, 0
        while True:
            try:
                image.seek(index)
            except EOFError:
                return
            yield time, to_rgb(image)
            seconds = float(image.info.get("duration") or 0) / 1000
            time += seconds if seconds >= LEAST_SECONDS else USUAL_SECONDS
            index += 1
