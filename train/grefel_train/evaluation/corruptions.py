"""
Seeded disturbances of face crops, at five severities each.

Every function takes a square RGB image, a strength and a random generator. Strengths are relative to the image, so
that they mean the same at any size: sides and distances in parts of the side, deviations in parts of full scale.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from PIL.Image import Resampling

SEVERITIES = (1, 2, 3, 4, 5)
# Height of eyes and mouth on a crop as FER+ has them, in parts of the side, measured on its mean face.
EYES_CENTER, MOUTH_CENTER = 0.37, 0.79


def noise(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Gaussian noise of brightness, with this standard deviation."""
    pixels = np.asarray(image, np.float32)
    grain = random.normal(0.0, 255 * strength, (*pixels.shape[:2], 1))
    return Image.fromarray((pixels + grain).clip(0, 255).round().astype(np.uint8))


def blur(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Gaussian blur of this standard deviation."""
    return image.filter(ImageFilter.GaussianBlur(strength * image.width))


def jpeg(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """JPEG compression at this quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(strength))
    return Image.open(file).convert("RGB")


def low_resolution(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Down to this part of the side, and up again."""
    side = max(round(strength * image.width), 1)
    return image.resize((side, side), Resampling.BOX).resize(image.size, Resampling.BILINEAR)


def brightness(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Darker or brighter by chance: this part of the light, or of the dark, is left."""
    pixels = np.asarray(image, np.float32)
    pixels = pixels * strength if random.random() < 0.5 else 255 - (255 - pixels) * strength
    return Image.fromarray(pixels.round().astype(np.uint8))


def contrast(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """This part of the contrast is left."""
    return ImageEnhance.Contrast(image).enhance(strength)


def rotation(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Turned by so many degrees, left or right by chance."""
    margin = image.width // 2
    degrees = strength * random.choice((-1, 1))
    turned = extended(image, margin).rotate(degrees, Resampling.BILINEAR)
    return turned.crop((margin, margin, margin + image.width, margin + image.height))


def shifted_crop(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """The face off the middle by this part of the side, in any direction."""
    margin = int(np.ceil(strength * image.width))
    angle = random.uniform(0, 2 * np.pi)
    left = margin + round(strength * image.width * np.cos(angle))
    top = margin + round(strength * image.width * np.sin(angle))
    return extended(image, margin).crop((left, top, left + image.width, top + image.height))


def occluded_eyes(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """A grey bar of this height over both eyes."""
    return with_bar(image, EYES_CENTER, strength, width=0.8, random=random)


def occluded_mouth(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """A grey bar of this height over the mouth."""
    return with_bar(image, MOUTH_CENTER, strength, width=0.6, random=random)


def extended(image: Image.Image, margin: int) -> Image.Image:
    """With a margin that repeats the border."""
    widths = ((margin, margin), (margin, margin), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), widths, mode="edge"))


def with_bar(
    image: Image.Image, center: float, height: float, width: float, random: np.random.Generator
) -> Image.Image:
    side = image.width
    covered = image.copy()
    left, right = ((1 - width) / 2, (1 + width) / 2)
    box = (left, center - height / 2, right, min(center + height / 2, 1.0))
    grey = int(random.integers(32, 224))
    covered.paste((grey, grey, grey), tuple(round(edge * side) for edge in box))
    return covered


# Strength at each severity.
CORRUPTIONS: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "noise": (noise, (0.04, 0.08, 0.12, 0.18, 0.26)),
    "blur": (blur, (0.01, 0.017, 0.025, 0.035, 0.05)),
    "jpeg": (jpeg, (40, 25, 15, 10, 5)),
    "low_resolution": (low_resolution, (0.36, 0.27, 0.2, 0.15, 0.1)),
    "brightness": (brightness, (0.7, 0.5, 0.35, 0.25, 0.15)),
    "contrast": (contrast, (0.7, 0.5, 0.35, 0.2, 0.1)),
    "rotation": (rotation, (6, 12, 20, 30, 45)),
    "shifted_crop": (shifted_crop, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "occluded_eyes": (occluded_eyes, (0.06, 0.12, 0.18, 0.24, 0.32)),
    "occluded_mouth": (occluded_mouth, (0.06, 0.12, 0.18, 0.26, 0.36)),
}


def corrupt(pixels: torch.Tensor, image_number: int, name: str, severity: int, seed: int) -> torch.Tensor:
    """
    Args:
        pixels: uint8 (3, S, S).
        image_number: belongs to the image; what chance decides follows from it and `seed` alone, and is the same at all
            severities.
        severity: 1 to 5.

    Returns:
        uint8 (3, S, S).
    """
    function, strengths = CORRUPTIONS[name]
    random = np.random.default_rng([seed, list(CORRUPTIONS).index(name), image_number])
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())  # (3, S, S) -> (S, S, 3)
    corrupted = function(image, strengths[severity - 1], random)
    return torch.from_numpy(np.array(corrupted)).permute(2, 0, 1)
