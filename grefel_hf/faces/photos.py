"""Reading photos: anything that may hold a picture in, an upright 8-bit RGB image and what was done to it out."""

import base64
import binascii
import io
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from ..media import HEAD_BYTES, kind_of
from ..model.pixels import to_rgb
from .arrays import is_array, picture_of
from .headers import START_OF_SCAN, entries_explode, exif_explodes, jpeg_segments
from .links import LinkError, fetch, is_link

MAX_PIXELS = 100_000_000  # decoded at most, known from the header: more would be a decompression bomb
# Photos of more than this that can be read at 1/2, 1/4 or 1/8 of their size are; their header may promise so many times
# `max_pixels`.
REDUCE_PIXELS, REDUCIBLE = 50_000_000, 4
# A progressive JPEG is gone through once per scan: cameras make about ten, bombs hundreds.
FREE_SCANS, SCANNED_PIXELS = 16, 1_500_000_000
# What is decoded in Python, or as slowly, may have this share of the pixels.
SLOW_SHARE, SLOW_FORMATS = 1 / 16, {"JPEG2000"}
AS_A_VIDEO = "analyse it as one"
RAISE_THE_LIMIT = ", or raise the limit (max_pixels, --max_megapixels)"  # which visitors of a page cannot
LEAST_READ = 0.5  # share of the rows of a truncated photo that must be there
SUBFILE_TYPE, REDUCED = 254, 1  # of a picture in a TIFF file: a smaller one of another in it

# Pillow only recognises the first, or needs an outside program (Ghostscript for EPS) to decode them; of the others, for
# icons and games, the header does not say how large the picture inside is.
_NOT_DECODED = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_NOT_DECODED |= {"BLP", "FPX", "FTEX", "ICNS", "ICO", "MIC"}
TILE_WIDTH, TILE_LENGTH = 322, 323  # tags of TIFF
_JPEGS = {"JPEG", "MPO"}
_SEVERAL = {"AVIF", "GIF", "HEIF", "PNG", "TIFF", "WEBP"}  # in others the rest is the same picture again
_DATA_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(;[\w=.+-]+)*?(;base64)?,", re.IGNORECASE)

# A dict is an undecoded image of a `datasets` column: {"bytes": ..., "path": ...}.
PhotoSource = str | os.PathLike | bytes | IO[bytes] | Image.Image | np.ndarray | dict


class PhotoError(ValueError):
    """A photo that cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Photo:
    """
    image: upright, mode "RGB".
    notes: what was done to it that a reader of the results should know, a sentence each.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()


def load_photo(source: PhotoSource, *, channel_order: str | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image of `read_photo`."""
    return read_photo(source, channel_order=channel_order, max_pixels=max_pixels).image


def read_photo(source: PhotoSource, *, channel_order: str | None = None, max_pixels: int = MAX_PIXELS) -> Photo:
    """
    Read one photo.

    Args:
        source: a path, a link (http, https), a data URI, the bytes of a file or an open one, a PIL image, a row of a
            `datasets` column, or an array or tensor of shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels,
            uint8, uint16 or floating point in [0, 1].
        channel_order: of an array: "rgb", also if None, or "bgr" as OpenCV has it.
        max_pixels: the most that is decoded. JPEGs of up to four times as many are read at reduced size.

    Returns:
        The picture as mode "RGB": turned upright by its EXIF tag, transparency laid on white, deeper greyscale brought
        to 8 bits, the first frame of an animation, what is there of one whose end is missing.

    Raises:
        PhotoError: the file is missing, a folder, empty, no image, largely missing or too large, or the array has a
            shape, type or range that is not listed above.
    """
    name = "the file given as bytes"
    if isinstance(source, dict):
        name, source = source.get("path") or name, _of_dataset(source)
    if isinstance(source, Image.Image):
        return _decoded(source, "the image", max_pixels)
    if is_array(source):
        try:
            picture, notes = picture_of(source, channel_order)
        except ValueError as error:
            raise PhotoError(str(error)) from error
        photo = _decoded(picture, "the array", max_pixels)
        return Photo(photo.image, (*photo.notes, *notes))
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name, max_pixels)
    if hasattr(source, "read"):
        return _from_bytes(_content(source), "the open file", max_pixels)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _from_bytes(_of_data_uri(source), "the data URI", max_pixels)
    if is_link(source):
        try:
            return _from_bytes(fetch(source), source, max_pixels)
        except LinkError as error:
            raise PhotoError(str(error)) from error
    if isinstance(source, str | os.PathLike):
        return _from_file(Path(source), max_pixels)
    raise PhotoError(
        f"cannot read a {type(source).__name__} as a photo: pass a path, a link, bytes, a PIL image or an array"
    )


def source_name(source: PhotoSource) -> str | None:
    """Where a photo comes from, as results name it; None for one that was given as such."""
    if isinstance(source, dict):
        return source.get("path")
    if isinstance(source, str) and source[:5].lower() == "data:":
        return None
    return str(source) if isinstance(source, str | os.PathLike) else None


def image_suffixes() -> set[str]:
    """Lower-case suffixes, with the dot, of the files that `load_photo` can decode."""
    formats = {*decodable_formats(), "MPO"}  # which Pillow opens as JPEG
    return {suffix for suffix, name in Image.registered_extensions().items() if name in formats}


def decodable_formats() -> list[str]:
    """Names of the formats that `Image.open` is to try."""
    _register_heif()
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_DECODED]


@cache
def _register_heif():
    """HEIC and HEIF, phones' own format, which Pillow reads with a plugin."""
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _of_dataset(row: dict) -> PhotoSource:
    content = row.get("path") if row.get("bytes") is None else row["bytes"]
    if content is None:
        raise PhotoError("a dict is not a photo unless it has 'bytes' or a 'path', as `datasets` has them")
    return content


def _of_data_uri(uri: str) -> bytes:
    start = _DATA_URI.match(uri[:200])
    if not start or not start[2]:
        raise PhotoError("the data URI is not in base64: pass data:image/...;base64,...")
    try:
        return base64.b64decode(re.sub(r"\s", "", uri[start.end() :]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PhotoError(f"the data URI is damaged ({error}): copy it again") from error


def _content(file: Any) -> bytes:
    try:
        if file.seekable():
            file.seek(0)
        content = file.read()
    except Exception as error:  # of whatever object it is
        raise PhotoError(f"the open file cannot be read ({error}): pass its path") from error
    if not isinstance(content, bytes):
        raise PhotoError("the open file gives text: open it in binary mode")
    return content


def _from_file(path: Path, max_pixels: int) -> Photo:
    name = str(path) if len(str(path)) <= 1000 else f"{str(path)[:80]}..."
    if not path_exists(path):
        raise PhotoError(f"{name} does not exist: check the spelling")
    if path.is_dir():
        raise PhotoError(f"{name} is a folder: pass a photo, or list its photos with find_photos")
    if not path.is_file():  # opening a pipe would wait for ever
        raise PhotoError(f"{name} is not an ordinary file: pass a photo")
    try:
        with path.open("rb") as file:
            return _from_stream(file, name, max_pixels)
    except PermissionError as error:
        raise PhotoError(f"{name} cannot be opened: check its permissions") from error


def _from_bytes(content: bytes, name: str, max_pixels: int) -> Photo:
    return _from_stream(io.BytesIO(content), name, max_pixels)


def _from_stream(file: IO[bytes], name: str, max_pixels: int) -> Photo:
    head = file.read(HEAD_BYTES)
    if not head:
        raise PhotoError(f"{name} is empty: copy or download it again")
    if entries_explode(file):
        raise PhotoError(f"{name} is damaged (its entries are copies of each other): save it anew")
    file.seek(0)
    try:
        with Image.open(file, formats=decodable_formats()) as image:
            return _decoded(image, name, max_pixels)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError(_too_large(name, max_pixels)) from error
    except Image.UnidentifiedImageError as error:
        raise PhotoError(_unknown(name, head)) from error
    except Exception as error:  # decoders raise many types on a damaged header
        raise PhotoError(f"{name} is damaged ({_line(error)}): copy or download it again") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _unknown(name: str, head: bytes) -> str:
    kind = kind_of(head)
    if head[4:8] == b"ftyp" and kind == "photo" and "HEIF" not in Image.OPEN:
        return f"{name} is in a format of phones (HEIC) that needs pillow-heif: pip install pillow-heif"
    if kind == "video":
        return f"{name} is a video, not a photo: {AS_A_VIDEO}"
    return f"{name} is not an image that can be read: convert it to JPEG or PNG"


def _decoded(image: Image.Image, name: str, max_pixels: int) -> Photo:
    notes = []
    size = image.size
    _check_cost(image, name, max_pixels)
    if _reduce(image, max_pixels):
        notes.append(f"read at {image.width} x {image.height} instead of its {size[0]} x {size[1]} pixels")
    if image.format in _SEVERAL and getattr(image, "is_animated", False):
        notes.append("the first picture of several")
    if image.format == "TIFF" and image.tag_v2.get(SUBFILE_TYPE) == REDUCED:
        notes.append("only a small preview, as in a camera's raw file: export that as JPEG")
    image, missing = _loaded(image, name)
    if missing is not None:
        notes.append("damaged: its end is missing" + (f", {missing:.0%} of its rows" if missing >= 0.005 else ""))
    try:
        return Photo(to_rgb(_turn_upright(image)), tuple(notes))
    except ValueError as error:
        raise PhotoError(f"{name} cannot be shown: {error}") from error


def _check_cost(image: Image.Image, name: str, max_pixels: int):
    """Raises PhotoError, from the header, for what would take too much memory or time."""
    pixels = image.width * image.height
    if pixels == 0:
        raise PhotoError(f"{name} has no pixels: pass a photo")
    most = max_pixels
    if image.format in SLOW_FORMATS or any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", ())):
        most = round(max_pixels * SLOW_SHARE)
    elif image.format in _JPEGS and _comes_row_by_row(image):
        most = max_pixels * REDUCIBLE
    elif image.format == "TIFF":  # a tile may be larger than the picture that is cut out of it
        pixels = max(pixels, _tile_pixels(image))
    if pixels > most:
        raise PhotoError(_too_large(name, most, f" ({image.width} x {image.height})"))
    if image.format in _JPEGS:
        scans = _count_scans(image)
        if scans > FREE_SCANS and scans * pixels > SCANNED_PIXELS:
            raise PhotoError(f"{name} is written in {scans} passes, which would take too long: save it anew")


def _comes_row_by_row(image: Image.Image) -> bool:
    """Whether a JPEG can be shown while it is read: of one in several passes everything is kept until the end."""
    if image.info.get("progressive"):
        return False
    if image.fp is None:  # loaded already
        return True
    position = image.fp.tell()
    scan = next((content for marker, content in jpeg_segments(image.fp) if marker == START_OF_SCAN), b"")
    image.fp.seek(position)
    return scan[:1] == bytes([image.layers])


def _tile_pixels(image: Image.Image) -> int:
    width, height = (image.tag_v2.get(tag, 0) for tag in (TILE_WIDTH, TILE_LENGTH))
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


def _count_scans(image: Image.Image) -> int:
    file = image.fp
    if file is None:  # loaded already
        return 0
    position = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")
    file.seek(position)
    return scans


def _reduce(image: Image.Image, max_pixels: int) -> bool:
    """Have a large JPEG decoded at 1/2, 1/4 or 1/8 of its size, which is quick."""
    most = min(max_pixels, REDUCE_PIXELS)
    width, height = image.size
    if width * height <= most or image.format not in _JPEGS or not getattr(image, "tile", ()):
        return False
    factor = next((factor for factor in (2, 4) if width * height <= most * factor**2), 8)
    image.draft(None, (max(1, width // factor), max(1, height // factor)))
    return image.size != (width, height)


def _loaded(image: Image.Image, name: str) -> tuple[Image.Image, float | None]:
    """The image with its pixels, and of one whose end is missing the share of rows that is not there."""
    try:
        image.load()
        return image, None
    except Exception as error:  # decoders raise many types on damaged data
        reason = error
    rest = _rest(image)
    if rest is not None and (missing := _missing_rows(rest)) <= 1 - LEAST_READ:
        return rest, missing
    raise PhotoError(f"{name} is truncated or damaged ({_line(reason)}): copy or download it again") from reason


def _rest(image: Image.Image) -> Image.Image | None:
    """What there is of an image that cannot be read to its end; None if nothing is."""
    try:
        if image.format in _JPEGS and image.fp is not None:
            image.fp.seek(0)
            size = image.size
            # With an end of image libjpeg makes up what comes before it.
            again = Image.open(io.BytesIO(image.fp.read() + b"\xff\xd9"), formats=["JPEG"])
            again.draft(None, size)
            again.load()
            return again
        return image._new(image.im)  # what was decoded until the error
    except Exception:
        return None


def _missing_rows(image: Image.Image) -> float:
    """Share of the rows of one value, which decoders never came to; of a JPEG, whose rows are in order, at its end."""
    rows = np.asarray(image).reshape(image.height, image.width, -1)
    drawn = (rows != rows[:, :1]).any(axis=(1, 2))
    if image.format in _JPEGS and drawn.any():  # bars above and below were there
        return float(drawn[::-1].argmax()) / image.height
    return 1.0 - float(drawn.mean())


def _too_large(name: str, most: int, size: str = "") -> str:
    return f"{name} is too large{size}, the limit is {most / 1e6:g} megapixels: scale it down{RAISE_THE_LIMIT}"


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        return image.copy() if exif_explodes(_exif(image)) else ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block is no reason to lose the picture
        return image.copy()


def _exif(image: Image.Image) -> bytes:
    """The EXIF block, as it is or as ImageMagick writes it into PNG."""
    profile = image.info.get("Raw profile type exif", "")
    return image.info.get("exif") or bytes.fromhex("".join(profile.split("\n")[3:]))


def path_exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, say
        return False
