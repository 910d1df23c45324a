"""
Crops without a face that could be read, for the score of answerability to learn from.

Evaluation makes its crops by other means, of other faces and other photographs (no_faces.py): what it finds is what the
score makes of crops that it was not prepared for. Nothing here rearranges the pieces of a face, as evaluation does.
"""

import string
from collections.abc import Callable, Sequence

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from PIL.Image import Resampling

SIDE = 48  # of FER+'s faces: otherwise sharpness alone would tell them from other crops
# Photographs and drawings without a human face, which come with scikit-image.
THINGS = (
    *("brick", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel", "horse"),
    *("hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon", "page", "retina", "rocket"),
    *("shepp_logan_phantom", "stereo_motorcycle", "text"),
)

Make = Callable[[Image.Image, Sequence[Image.Image], np.random.Generator], Image.Image]


def photos_of_things() -> list[Image.Image]:
    """Square or not, RGB, of at least 200 pixels a side or so."""
    return [_as_image(getattr(skimage.data, name)()) for name in THINGS]


def _as_image(found) -> Image.Image:
    values = np.asarray(found[0] if isinstance(found, tuple) else found)  # of a stereo pair the left one
    if values.dtype != np.uint8:
        values = (255 * values.astype(np.float64) / max(float(values.max()), 1e-9)).astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


def thing(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """A square of a photograph at any angle and size, sometimes through another one, lit in another way."""
    made = _window(photos, random)
    if random.random() < 0.2:
        made = Image.blend(made, _window(photos, random), random.uniform(0.2, 0.8))
    return _relit(made, random)


def drawing(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """Lines, polygons, ellipses, letters on a flat, shaded or grainy ground, softened or not."""
    made = Image.new("L", (SIDE, SIDE), _grey(random))
    if random.random() < 0.5:
        shading = Image.linear_gradient("L").rotate(random.uniform(0, 360)).resize((SIDE, SIDE))
        made = Image.blend(made, shading, random.uniform(0.2, 1))
    pen = ImageDraw.Draw(made)
    for _ in range(random.integers(0, 10)):
        points = [tuple(point) for point in random.uniform(-8, SIDE + 8, (random.integers(2, 6), 2))]
        match random.integers(4):
            case 0:
                pen.line(points, _grey(random), int(random.integers(1, 7)))
            case 1:
                pen.polygon([*points, points[0]], _grey(random))
            case 2:
                left, top, width, height = random.uniform(0, SIDE, 4)
                pen.ellipse((left, top, left + width / 2, top + height / 2), _grey(random))
            case 3:
                letters = "".join(random.choice(list(string.ascii_letters + string.digits), random.integers(1, 6)))
                pen.text(points[0], letters, _grey(random), ImageFont.load_default(float(random.uniform(8, 40))))
    grain = random.normal(0, random.choice((0, 0, 8, 30, 80)), (SIDE, SIDE))
    made = Image.fromarray((np.asarray(made) + grain).clip(0, 255).astype(np.uint8))
    return made.filter(ImageFilter.GaussianBlur(int(random.choice((0, 0, 1, 3))))).convert("RGB")


def part(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """A rectangle of a face, too small to hold eyes and mouth, pulled to a square and turned a little."""
    area, stretch = random.uniform(0.04, 0.2), random.uniform(0.6, 1.6)
    width, height = (min(np.sqrt(area * ratio), 0.9) * face.width for ratio in (stretch, 1 / stretch))
    left, top = random.uniform(0, face.width - width), random.uniform(0, face.width - height)
    made = face.crop(tuple(round(edge) for edge in (left, top, left + width, top + height)))
    made = made.resize((2 * SIDE, 2 * SIDE), Resampling.BICUBIC).rotate(random.uniform(-30, 30), Resampling.BILINEAR)
    return made.crop((SIDE // 4, SIDE // 4, 7 * SIDE // 4, 7 * SIDE // 4)).resize((SIDE, SIDE), Resampling.BOX)


def beside(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """The face for the most part outside, in any direction; in its place a photograph, a grey, or its mirror image."""
    angle, distance = random.uniform(0, 2 * np.pi), random.uniform(0.65, 0.95)
    longest = max(abs(np.cos(angle)), abs(np.sin(angle)))
    left, top = (round(distance * SIDE * way(angle) / longest) for way in (np.cos, np.sin))
    small = face.resize((SIDE, SIDE), Resampling.BILINEAR)
    match random.integers(3):
        case 0:
            made = _window(photos, random)
        case 1:
            made = Image.new("RGB", (SIDE, SIDE), (_grey(random),) * 3)
        case 2:
            margin = ((SIDE, SIDE), (SIDE, SIDE), (0, 0))
            corner = (SIDE - left, SIDE - top)
            wide = Image.fromarray(np.pad(np.asarray(small), margin, mode="symmetric"))
            # Mirrored at the edge that is inside, the rest of it would be a face again: turned upside down it is none.
            made = ImageOps.flip(wide.crop((*corner, corner[0] + SIDE, corner[1] + SIDE)))
    made.paste(small, (left, top))
    return made


def hidden(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """Behind a shape or several, of greys or of a photograph, that leave at most a third of its middle."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(mask)
    middle = (slice(SIDE // 5, None), slice(SIDE // 6, -SIDE // 6))  # where eyes, nose and mouth are
    while np.asarray(mask)[middle].mean() < 255 * 0.7:
        centre, half = random.normal(SIDE / 2, SIDE / 5, 2), random.uniform(0.15, 0.5, 2) * SIDE
        box = (*(centre - half), *(centre + half))
        if random.random() < 0.5:
            pen.ellipse(box, 255)
        else:
            pen.rectangle(box, 255)
    cover = _window(photos, random) if random.random() < 0.6 else Image.new("RGB", (SIDE, SIDE), (_grey(random),) * 3)
    softened = mask.filter(ImageFilter.GaussianBlur(int(random.choice((0, 1, 2)))))
    return Image.composite(cover, face.resize((SIDE, SIDE), Resampling.BILINEAR), softened)


def ruined(face: Image.Image, photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    """A face of which noise, blur or a few pixels leave nothing to read, or a photograph shines through it."""
    small = face.resize((SIDE, SIDE), Resampling.BILINEAR)
    match random.integers(4):
        case 0:
            grain = random.normal(0, random.uniform(90, 250), (SIDE, SIDE, 1))
            return Image.fromarray((np.asarray(small) + grain).clip(0, 255).astype(np.uint8))
        case 1:
            return small.filter(ImageFilter.GaussianBlur(random.uniform(3.2, 9)))
        case 2:
            few = int(random.integers(2, 5))
            again = random.choice((Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC))
            return small.resize((few, few), Resampling.BOX).resize((SIDE, SIDE), Resampling(int(again)))
        case _:
            return Image.blend(small, _window(photos, random), random.uniform(0.8, 1))


PRACTICE: tuple[Make, ...] = (thing, drawing, part, beside, hidden, ruined)


def practice(
    faces: Sequence[Image.Image], count: int, seed: int, photos: Sequence[Image.Image] | None = None
) -> dict[str, list[Image.Image]]:
    """
    `count` crops of each kind by its name, the faces taken in turn.

    Args:
        faces: square RGB images.
        photos: of things; default: `photos_of_things`.
    """
    random, photos = np.random.default_rng(seed), photos or photos_of_things()
    return {
        make.__name__: [make(faces[(index + number * count) % len(faces)], photos, random) for index in range(count)]
        for number, make in enumerate(PRACTICE)
    }


def _window(photos: Sequence[Image.Image], random: np.random.Generator) -> Image.Image:
    photo = photos[random.integers(len(photos))]
    side = min(photo.size)
    reach = max(side * random.uniform(0.06, 0.7), 12.0)  # a turned square of this side fits into the photograph
    reach = min(reach, side / np.sqrt(2) - 1)
    half = reach / np.sqrt(2)
    x, y = (random.uniform(half, length - half) for length in photo.size)
    box = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
    cut = photo.crop(box).rotate(random.uniform(0, 360), Resampling.BILINEAR)
    edge = (cut.width - reach) / 2
    return cut.crop(tuple(round(e) for e in (edge, edge, edge + reach, edge + reach))).resize(
        (SIDE, SIDE), Resampling.BOX
    )


def _relit(image: Image.Image, random: np.random.Generator) -> Image.Image:
    image = ImageOps.invert(image) if random.random() < 0.1 else image
    image = ImageEnhance.Contrast(image).enhance(random.uniform(0.5, 1.6))
    image = ImageEnhance.Brightness(image).enhance(random.uniform(0.6, 1.4))
    return image.convert("L").convert("RGB") if random.random() < 0.5 else image


def _grey(random: np.random.Generator) -> int:
    return int(random.integers(256))
