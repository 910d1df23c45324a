"""The photo with a numbered box on every face, and the strip of faces below it. Both choose the face that is shown."""

from html import escape

from PIL import Image

from grefel_hf.palette import class_colours
from grefel_hf.results import FacePrediction, PhotoPrediction

from ... import figures
from ... import sentences as wording
from ...images import PHOTO_SIDE, jpeg_uri

STRIP_SIDE = 96


def photo_view(image: Image.Image, photo: PhotoPrediction) -> str:
    """The upright photo, its faces boxed, the first one chosen; page.js moves the choice."""
    boxes = "".join(_box(face, number, photo) for number, face in enumerate(photo.faces, start=1))
    strip = "".join(_strip_entry(face, number) for number, face in enumerate(photo.faces, start=1))
    ratio = photo.width / photo.height
    return (
        f'<div class="gf-stage"><div class="gf-photo" style="--ratio:{ratio:.4f}">'
        f'<img src="{jpeg_uri(image, PHOTO_SIDE)}" alt="Your photo">{boxes}</div></div>'
        f'<p class="gf-found" role="status">{escape(wording.faces_found(photo))}</p>'
        + (f'<div class="gf-strip" role="group" aria-label="Faces">{strip}</div>' if len(photo.faces) > 1 else "")
    )


def _box(face: FacePrediction, number: int, photo: PhotoPrediction) -> str:
    left, right = (_percentage(value, photo.width) for value in face.box[::2])
    top, bottom = (_percentage(value, photo.height) for value in face.box[1::2])
    place = f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"
    colour = class_colours(face.labels)[face.label]
    return (
        f'<button type="button" class="gf-box" data-face="{number}" aria-pressed="{_is_chosen(number)}" '
        f'style="{place};--class:{colour}" aria-label="{_name(face, number)}" title="{_name(face, number)}">'
        f"<span>{number}</span></button>"
    )


def _strip_entry(face: FacePrediction, number: int) -> str:
    colour = class_colours(face.labels)[face.label]
    return (
        f'<button type="button" class="gf-entry" data-face="{number}" aria-pressed="{_is_chosen(number)}" '
        f'style="--class:{colour}"><img src="{jpeg_uri(face.crop, STRIP_SIDE)}" alt=""><span>{number}</span>'
        f"<small>{figures.swatch(colour)}{escape(face.label)}</small></button>"
    )


def _percentage(value: float, side: int) -> float:
    """A coordinate in per cent of the photo; boxes may reach beyond it, the page shows the part inside."""
    return 100 * min(max(value / side, 0.0), 1.0)


def _name(face: FacePrediction, number: int) -> str:
    return escape(f"Face {number}: {face.label}, {wording.percent(face.score)}")


def _is_chosen(number: int) -> str:
    return "true" if number == 1 else "false"
