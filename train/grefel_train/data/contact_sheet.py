"""Faces in rows, as one picture for a person to look at."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw

GAP = 2  # pixels of white between faces


class Tile(NamedTuple):
    """A face, and what is written on it."""

    image: Image.Image
    caption: str = ""
    colour: str = "white"


def contact_sheet(rows: Sequence[Sequence[Tile]], side: int) -> Image.Image:
    """Rows of faces, each `side` pixels wide and high; a row may be shorter than the longest."""
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (columns * (side + GAP) - GAP, len(rows) * (side + GAP) - GAP), "white")
    for line, row in enumerate(rows):
        for column, tile in enumerate(row):
            face = tile.image.convert("RGB")
            if face.size != (side, side):
                face = face.resize((side, side), Image.Resampling.BICUBIC)
            draw = ImageDraw.Draw(face)
            draw.text((3, 1), tile.caption, fill=tile.colour, stroke_width=1, stroke_fill="black")
            sheet.paste(face, (column * (side + GAP), line * (side + GAP)))
    return sheet


def picture(pixels: torch.Tensor) -> Image.Image:
    """uint8 (3, S, S) as an image."""
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())  # (3, S, S) -> (S, S, 3)
