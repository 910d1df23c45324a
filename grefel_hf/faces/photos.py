"""Reading photos: anything that may hold a picture in, an upright 8-bit RGB image out."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 100_000_000  # refused above this, from the header: a decompression bomb

# Pillow only recognises these, or needs an outside program (Ghostscript for EPS) to decode them.
_NOT_DECODED = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}

PhotoSource = str | os.PathLike | Image.Image | np.ndarray


class PhotoError(ValueError):
    """A photo that cannot be read; the message names it and says what to do."""


def load_photo(source: PhotoSource) -> Image.Image:
    """Read one photo.

    Args:
        source: a path, a PIL image, or an array of shape (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4), uint8 or floating point in [0, 1].

    Returns:
        The picture as mode "RGB": turned upright by its EXIF tag, transparency laid on white,
        deeper greyscale brought to 8 bits, the first frame of an animation.

    Raises:
        PhotoError: the file is missing, a folder, empty, no image, truncated or too large, or
            the array has a shape, type or range that is not listed above.
    """
    if isinstance(source, Image.Image):
        return _to_upright_rgb(source, "the image")
    if isinstance(source, np.ndarray):
        return _to_upright_rgb(_image_from_array(source), "the array")
    if isinstance(source, str | os.PathLike):
        return _load_file(Path(source))
    raise PhotoError(f"cannot read a {type(source).__name__} as a photo: pass a path, a PIL image or an array")


def find_photos(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """List the photos that `paths` name.

    Args:
        paths: files and folders. A file is kept whatever its suffix; a folder gives the files
            below it that have an image suffix, sorted, without hidden ones.

    Returns:
        The files in the order of `paths`, each once.

    Raises:
        PhotoError: a path does not exist, or a folder cannot be listed.
    """
    found: dict[Path, None] = {}  # a dict keeps the order
    for path in map(Path, paths):
        if not _exists(path):
            raise PhotoError(f"{path} does not exist: check the spelling")
        for file in _photos_below(path) if path.is_dir() else [path]:
            found.setdefault(file)
    return list(found)


def image_suffixes() -> set[str]:
    """Lower-case suffixes, with the dot, of the files that `load_photo` can decode."""
    formats = set(_decodable_formats())
    return {suffix for suffix, name in Image.registered_extensions().items() if name in formats}


def _decodable_formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_DECODED]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, say
        return False


def _photos_below(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise PhotoError(f"{error.filename} cannot be listed: {error.strerror}") from error

    suffixes = image_suffixes()
    files = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [
            Path(parent, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        ]
    return sorted(files)


def _load_file(path: Path) -> Image.Image:
    if not _exists(path):
        raise PhotoError(f"{path} does not exist: check the spelling")
    if path.is_dir():
        raise PhotoError(f"{path} is a folder: pass a photo, or list its photos with find_photos")
    if not path.is_file():  # opening a pipe would wait for ever
        raise PhotoError(f"{path} is not an ordinary file: pass a photo")
    try:
        if path.stat().st_size == 0:
            raise PhotoError(f"{path} is empty: copy or download it again")
        with Image.open(path, formats=_decodable_formats()) as image:
            return _to_upright_rgb(image, str(path))
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError(_too_large(str(path))) from error
    except Image.UnidentifiedImageError as error:
        raise PhotoError(f"{path} is not an image that can be read: convert it to JPEG or PNG") from error
    except PermissionError as error:
        raise PhotoError(f"{path} cannot be opened: check its permissions") from error
    except Exception as error:  # decoders raise many types on a damaged header
        raise PhotoError(f"{path} is damaged ({error}): copy or download it again") from error


def _to_upright_rgb(image: Image.Image, name: str) -> Image.Image:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(_too_large(name, f" ({width} x {height})"))
    if width == 0 or height == 0:
        raise PhotoError(f"{name} has no pixels: pass a photo")
    try:
        image.load()
    except Exception as error:  # decoders raise many types on damaged data
        raise PhotoError(f"{name} is truncated or damaged ({error}): copy or download it again") from error
    return _to_rgb(_turn_upright(image), name)


def _too_large(name: str, size: str = "") -> str:
    limit = f"{MAX_PIXELS / 1e6:g} megapixels"
    return f"{name} is too large{size}, the limit is {limit}: scale it down"


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block is no reason to lose the picture
        return image.copy()


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(image), name)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Bring deep greyscale (H, W) to uint8 by the smallest usual full scale that holds it."""
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise PhotoError(f"{name} has pixels that are not finite: replace them by numbers")
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:  # no usual scale: stretch what there is
        values, full = values - low, max(high - low, 1e-12)
    elif high <= 1 and not np.array_equal(values, np.round(values)):
        full = 1.0
    else:
        full = 255.0 if high <= 255 else 65535.0
    return np.round(values * (255.0 / full)).astype(np.uint8)


def _image_from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise PhotoError(
            f"an array of shape {array.shape} is not a photo: pass (H, W), or (H, W, C) with 1, 3 or 4 channels last"
        )
    if array.size == 0:
        raise PhotoError(f"an array of shape {array.shape} has no pixels: pass a photo")
    if np.issubdtype(array.dtype, np.floating):
        # `not (... <= ...)` also catches NaN
        if not (array.min() >= 0 and array.max() <= 1):
            raise PhotoError("a float array must lie in [0, 1]: scale it, or pass uint8")
        array = np.round(array.astype(np.float64) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise PhotoError(f"an array of type {array.dtype} is not a photo: pass uint8, or float in [0, 1]")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(array))
