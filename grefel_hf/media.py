"""What a file holds, by its content: names of files lie, and recordings often have none."""

import contextlib
import os
from pathlib import Path
from typing import IO

from PIL import Image

HEAD_BYTES = 1024

# Where a name decides: first bytes that say nothing, of a damaged file say.
VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .divx .dv .f4v .flv .h264 .hevc .m2ts .m2v .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf"
    " .ogv .ts .vob .webm .wmv".split()
)
_PHOTO_BRANDS = {b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1", b"MiHE"}
_MOVING_BRANDS = {b"avis", b"hevc", b"hevx", b"msf1"}
_PERHAPS_MOVING = (b"GIF8", b"\x89PNG\r\n\x1a\n")
_PHOTO_STARTS = (
    b"\xff\xd8\xff",  # JPEG, MPO
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\x01\0",  # ICO
    b"\0\0\0\x0cjP  \r\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"qoif",
    *_PERHAPS_MOVING,
    b"8BPS",
    b"DDS ",
)
_VIDEO_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"OggS",
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG video
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
)
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


def file_kind(path: str | os.PathLike) -> str | None:
    """
    "photo", "video", "moving picture" (GIF, WebP or PNG of several frames), or None for neither.

    Raises:
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        kind = "moving picture" if head.startswith(_PERHAPS_MOVING) and _moves(file) else kind_of(head)
    return kind or ("video" if Path(path).suffix.lower() in VIDEO_SUFFIXES else None)


def kind_of(head: bytes) -> str | None:
    """The same from the first `HEAD_BYTES` bytes, in which GIF and PNG do not say whether they move."""
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "photo"
    if head.startswith(_PHOTO_STARTS) or (head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3].isspace()):
        return "photo"
    if head.startswith(_VIDEO_STARTS) or _is_transport_stream(head):
        return "video"
    if head[4:8] == b"ftyp" and head[8:12] != b"crx ":  # Canon's raw photos
        brand = head[8:12]
        return "photo" if brand in _PHOTO_BRANDS else "moving picture" if brand in _MOVING_BRANDS else "video"
    if head[4:8] in _QUICKTIME_ATOMS:
        return "video"
    if head.startswith(b"RIFF"):
        if head[8:12] == b"WEBP":
            return "moving picture" if head[12:16] == b"VP8X" and head[20:21] and head[20] & 2 else "photo"
        return "video" if head[8:12] == b"AVI " else None
    return None


def _moves(file: IO[bytes]) -> bool:
    """Whether there is a second picture."""
    with contextlib.suppress(Exception):  # of a damaged one, for whoever reads it to tell
        with Image.open(file, formats=("GIF", "PNG")) as image:
            return image.is_animated
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes that begin with "G"; of 192 on Blu-ray and in cameras."""
    return any(
        len(head) > start + 3 * step and all(head[start + i * step] == 0x47 for i in range(4))
        for start, step in ((0, 188), (4, 192))
    )
