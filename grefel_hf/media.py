"""What a file holds, by its first bytes: names of files lie, and recordings often have none."""

import os
from pathlib import Path

HEAD_BYTES = 1024

# Where a name decides: first bytes that say nothing, of a damaged file say.
VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()
)
_PHOTO_BRANDS = {b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1", b"MiHE"}
_MOVING_BRANDS = {b"avis", b"hevc", b"hevx", b"msf1"}
_PHOTO_STARTS = (
    b"\xff\xd8\xff",  # JPEG, MPO
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\x01\0",  # ICO
    b"\0\0\0\x0cjP  \r\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"qoif",
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
        kind = kind_of(file.read(HEAD_BYTES))
    return kind or ("video" if Path(path).suffix.lower() in VIDEO_SUFFIXES else None)


def kind_of(head: bytes) -> str | None:
    """The same from the first `HEAD_BYTES` bytes."""
    if head.startswith(_PHOTO_STARTS) or (head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3].isspace()):
        return "photo"
    if head.startswith(_VIDEO_STARTS) or _is_transport_stream(head):
        return "video"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "photo" if brand in _PHOTO_BRANDS else "moving picture" if brand in _MOVING_BRANDS else "video"
    if head[4:8] in _QUICKTIME_ATOMS:
        return "video"
    if head.startswith(b"RIFF"):
        if head[8:12] == b"WEBP":
            return "moving picture" if head[12:16] == b"VP8X" and head[20:21] and head[20] & 2 else "photo"
        return "video" if head[8:12] == b"AVI " else None
    if head.startswith(b"GIF8"):
        return "moving picture" if _gif_moves(head) else "photo"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "moving picture" if b"acTL" in head else "photo"
    return None


def _gif_moves(head: bytes) -> bool:
    """Animations say how often they repeat, or how long their first picture stays, before that picture."""
    palette = 3 << (head[10] & 7) + 1 if len(head) > 10 and head[10] & 0x80 else 0
    block = head[13 + palette :]
    while block[:1] == b"!":
        if block[1:2] == b"\xf9" and any(block[4:6]):
            return True
        if block[1:2] == b"\xff" and block[3:14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            return True
        block = block[2:]
        while block and block[0]:
            block = block[block[0] + 1 :]
        block = block[1:]
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes that begin with "G"; of 192 on Blu-ray and in cameras."""
    return any(
        len(head) > start + 3 * step and all(head[start + i * step] == 0x47 for i in range(4))
        for start, step in ((0, 188), (4, 192))
    )
