"""
Crops that show no face that could be read, made from nothing, from photographs of things and from faces.

All are as large as FER+'s faces: otherwise sharpness alone would tell them from faces.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter
from PIL.Image import Resampling
from sklearn.datasets import load_sample_images

from grefel_train.evaluation.corruptions import extended, with_bar

SIDE = 48


def plain(random: np.random.Generator) -> np.ndarray:
    """One grey, or from one to another in any direction: (S, S), 0 to 255, as of all that follow."""
    angle, (start, end) = random.uniform(0, 2 * np.pi), random.uniform(0, 255, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    return start + (end - start) * (0.5 + (rows * np.sin(angle) + columns * np.cos(angle)) / np.sqrt(2))


def clouds(random: np.random.Generator) -> np.ndarray:
    """Noise whose amplitude falls with frequency as in pictures of nature, or less, or not at all."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequencies[0, 0] = 1.0
    spectrum = np.fft.fft2(random.normal(size=(SIDE, SIDE))) / frequencies ** random.uniform(0, 2)
    return spread(np.fft.ifft2(spectrum).real, random)


def stripes(random: np.random.Generator) -> np.ndarray:
    """Stripes, or checks: two of them multiplied."""
    rows, columns = np.mgrid[:SIDE, :SIDE]

    def wave() -> np.ndarray:
        angle, period = random.uniform(0, np.pi), random.uniform(3, SIDE)
        return np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period + random.uniform(0, 6))

    made = wave() * (wave() if random.random() < 0.5 else 1.0)
    return spread(np.sign(made) if random.random() < 0.5 else made, random)


def shapes(random: np.random.Generator) -> np.ndarray:
    """Overlapping rectangles and discs, softened a little by chance."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    made = np.full((SIDE, SIDE), random.uniform(0, 255))
    for _ in range(random.integers(2, 12)):
        row, column = random.uniform(0, SIDE, 2)
        height, width = random.uniform(2, SIDE / 2, 2)
        down, across = (rows - row) / height, (columns - column) / width
        inside = np.hypot(down, across) < 1 if random.random() < 0.5 else np.maximum(abs(down), abs(across)) < 1
        made[inside] = random.uniform(0, 255)
    blurred = ImageFilter.GaussianBlur(random.uniform(0, 2))
    return np.asarray(Image.fromarray(made.astype(np.uint8)).filter(blurred), np.float64)


TEXTURES: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (plain, clouds, stripes, shapes)


def spread(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Any values to a range of greys by chance."""
    low, high = np.sort(random.uniform(0, 255, 2))
    least, most = values.min(), values.max()
    return low + (high - low) * (values - least) / max(most - least, 1e-9)


def texture(random: np.random.Generator) -> Image.Image:
    made = TEXTURES[random.integers(len(TEXTURES))](random)
    return Image.fromarray(made.clip(0, 255).round().astype(np.uint8)).convert("RGB")


def patch(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """A square of a photograph, a twelfth to all of its shorter side, upright or on its side, mirrored or not."""
    side = int(random.uniform(1 / 12, 1) * min(photo.size))
    left, top = (int(random.uniform(0, length - side)) for length in photo.size)
    cut = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Resampling.BOX)
    cut = cut.rotate(90 * random.integers(4))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else cut


def fragment(face: Image.Image, random: np.random.Generator) -> Image.Image:
    """A quarter to two fifths of the side of a face, enlarged: a cheek, an eye, a part of the mouth."""
    side = int(random.uniform(0.25, 0.4) * face.width)
    left, top = (int(random.uniform(0, face.width - side)) for _ in range(2))
    return face.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Resampling.BILINEAR)


def off_centre(face: Image.Image, random: np.random.Generator) -> Image.Image:
    """More than half of the face is outside."""
    margin = int(0.85 * face.width)
    far, near = random.uniform(0.6, 0.85) * random.choice((-1, 1)), random.uniform(-0.3, 0.3)
    left, top = (far, near) if random.random() < 0.5 else (near, far)
    corner = (margin + round(left * face.width), margin + round(top * face.width))
    return extended(face, margin).crop((*corner, corner[0] + face.width, corner[1] + face.width))


def covered(face: Image.Image, random: np.random.Generator) -> Image.Image:
    """A grey bar over eyes, nose and mouth."""
    return with_bar(face, 0.55, random.uniform(0.65, 0.9), width=random.uniform(0.85, 1.0), random=random)


def scrambled(face: Image.Image, random: np.random.Generator) -> Image.Image:
    """Sixteen tiles in another order."""
    step = face.width // 4
    boxes = [(x * step, y * step, (x + 1) * step, (y + 1) * step) for x in range(4) for y in range(4)]
    made = face.copy()
    for source, target in zip(random.permutation(len(boxes)), boxes):
        made.paste(face.crop(boxes[source]), target[:2])
    return made


SPOILT: tuple[Callable[[Image.Image, np.random.Generator], Image.Image], ...] = (
    fragment,
    off_centre,
    covered,
    scrambled,
)


def sample_photos() -> list[Image.Image]:
    """A temple and a flower, which come with scikit-learn, and which practice.py has not."""
    return [Image.fromarray(image) for image in load_sample_images().images]


def no_faces(
    faces: Sequence[Image.Image], count: int, seed: int, photos: Sequence[Image.Image] | None = None
) -> dict[str, list[Image.Image]]:
    """
    `count` crops of each kind by its name: texture, patch, and those of `SPOILT`, made of `faces` in their order.

    Args:
        faces: square RGB images.
        photos: that patches are cut from; default: `sample_photos`.
    """
    random, photos = np.random.default_rng(seed), photos or sample_photos()
    made = {
        "texture": [texture(random) for _ in range(count)],
        "patch": [patch(photos[index % len(photos)], random) for index in range(count)],
    }
    turns = [faces[index % len(faces)] for index in range(count * len(SPOILT))] if faces else []
    for number, spoil in enumerate(SPOILT):
        made[spoil.__name__] = [spoil(face, random) for face in turns[number :: len(SPOILT)]]
    return made
