"""The pictures that go with a card, free to show: how a crop lies on a face, and a face for the Hub's widget."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from grefel_hf.faces.cropping import crop_face, crop_transform
from grefel_hf.faces.face import Face, Point
from grefel_train.hub import REPOSITORY

CROP_RULE, EXAMPLE_FACE = "crop_rule.png", "example_face.jpg"
# NASA's portrait of Eileen Collins, public domain, and her face as YuNet finds it.
PORTRAIT = REPOSITORY / "space" / "examples" / "eileen_collins.jpg"
HER_FACE = Face((177.9, 61.1, 271.1, 176.1), 0.94, ((202.5, 102.3), (245.5, 105.1)))
SIDE, GAP, TEXT_HEIGHT = 280, 60, 40  # of the drawing
FINER = 4  # times as large it is drawn
BACKGROUND, SKIN, DARK, BOX, CROP = "#eef0f4", "#f0c9a0", "#4a3428", "#6b7280", "#4338ca"


def write_pictures(folder: Path):
    """Put both into a checkpoint's folder, where its card looks for them."""
    crop_rule().quantize(64).save(folder / CROP_RULE, optimize=True)
    crop_face(Image.open(PORTRAIT).convert("RGB"), HER_FACE).save(folder / EXAMPLE_FACE, quality=90)


def crop_rule() -> Image.Image:
    """A drawn face with the box of a detector and the crop around it; beside it the crop, level."""
    scene, face = drawn_face(roll=14.0)
    crop = crop_face(scene, face, size=SIDE * FINER)
    draw = ImageDraw.Draw(scene)
    draw.rectangle(face.box, outline=BOX, width=2 * FINER)
    matrix, side = crop_transform(face, size=1), 1.0
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side), (0, 0)]) @ matrix[:, :2].T + matrix[:, 2]
    draw.line([tuple(corner) for corner in corners], fill=CROP, width=3 * FINER, joint="curve")
    picture = Image.new("RGB", (2 * SIDE + GAP, SIDE + TEXT_HEIGHT), "white")
    for left, part in ((0, scene), (SIDE + GAP, crop)):
        picture.paste(part.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, 0))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    draw.text((4, SIDE + 4), "grey: the detector's box; blue: the crop", fill=DARK, font=font)
    draw.text((SIDE + GAP + 4, SIDE + 4), "what the model takes", fill=DARK, font=font)
    middle = SIDE // 2
    draw.line([(SIDE + 12, middle), (SIDE + GAP - 18, middle)], fill=CROP, width=3)
    draw.polygon([(SIDE + GAP - 20, middle - 8), (SIDE + GAP - 20, middle + 8), (SIDE + GAP - 8, middle)], fill=CROP)
    return picture


def drawn_face(roll: float) -> tuple[Image.Image, Face]:
    """A face (SIDE * FINER pixels) that is rolled so many degrees, and what YuNet would say of it."""
    unit, middle = SIDE * FINER / 100, SIDE * FINER / 2
    layer = Image.new("RGB", (SIDE * FINER, SIDE * FINER), BACKGROUND)
    draw = ImageDraw.Draw(layer)

    def ellipse(x: float, y: float, half_width: float, half_height: float, colour: str):
        center = (middle + x * unit, middle + y * unit)
        size = (half_width * unit, half_height * unit)
        draw.ellipse([c - s for c, s in zip(center, size)] + [c + s for c, s in zip(center, size)], fill=colour)

    ellipse(0, -4, 28, 34, DARK)  # hair
    ellipse(0, 1, 24, 30, SKIN)
    eyes = ((-9.0, -5.0), (9.0, -5.0))
    for x, y in eyes:
        ellipse(x, y, 2.6, 2.6, DARK)
    smile = [middle + value * unit for value in (-9, 2, 9, 19)]
    draw.arc(smile, 25, 155, fill=DARK, width=round(1.6 * unit))
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))

    def turned(x: float, y: float) -> Point:
        return middle + (cos * x - sin * y) * unit, middle + (sin * x + cos * y) * unit

    center_x, center_y = turned(0, 3)
    box = (center_x - 21 * unit, center_y - 26 * unit, center_x + 21 * unit, center_y + 26 * unit)
    picture = layer.rotate(-roll, Image.Resampling.BICUBIC, fillcolor=BACKGROUND)
    return picture, Face(box, 0.9, (turned(*eyes[0]), turned(*eyes[1])))
