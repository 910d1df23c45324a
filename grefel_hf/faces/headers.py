"""What headers of JPEG and TIFF files say, before Pillow goes by them."""

import io
import struct
from collections.abc import Iterator
from typing import IO

_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # TIFF
MOST_COPIES, FREE_BYTES = 4, 1_000_000  # see `copies_itself`
_EXIF, _MPF = b"Exif\0\0", b"MPF\0"
START_OF_SCAN = 0xDA


def jpeg_segments(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment up to the first scan's header, which is the last one."""
    file.seek(2)
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        if head[1] == 0xFF:  # padding
            file.seek(-1, io.SEEK_CUR)
            continue
        if head[1] == 0x01 or 0xD0 <= head[1] <= 0xD9:  # without content
            continue
        size = file.read(2)
        if len(size) < 2:
            return
        yield head[1], file.read(max(0, int.from_bytes(size, "big") - 2))
        if head[1] == START_OF_SCAN:
            return


def entries_explode(file: IO[bytes]) -> bool:
    """Whether a JPEG or TIFF file would fill the memory with its entries, of pictures or EXIF, as it is opened."""
    file.seek(0)
    head = file.read(4)
    if head[:2] == b"\xff\xd8":
        exif = bytearray()
        for _, content in jpeg_segments(file):
            if content.startswith(_EXIF):
                exif += content[len(_EXIF) :]  # of several segments Pillow makes one
            elif content.startswith(_MPF) and copies_itself(io.BytesIO(content[len(_MPF) :])):
                return True
        return copies_itself(io.BytesIO(exif))
    return copies_itself(file)


def exif_explodes(exif: bytes) -> bool:
    """The same of an EXIF block."""
    return copies_itself(io.BytesIO(exif.removeprefix(_EXIF)))


def copies_itself(file: IO[bytes]) -> bool:
    """
    Whether the entries of a TIFF file's first list, of which each may name the same place, take together much more
    than the file has: Pillow holds a copy for each. False for what is no TIFF file.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return False
    is_big = head[2:4] in (b"+\0", b"\0+")
    try:
        (start,) = struct.unpack_from(f"{order}Q" if is_big else f"{order}L", head, 8 if is_big else 4)
        if start >= length:
            return False
        file.seek(start)
        (count,) = struct.unpack(f"{order}Q", file.read(8)) if is_big else struct.unpack(f"{order}H", file.read(2))
        layout = struct.Struct(f"{order}HHQQ" if is_big else f"{order}HHLL")
        total, most = 0, MOST_COPIES * length + FREE_BYTES
        for _ in range(count):
            _, kind, values, _ = layout.unpack(file.read(layout.size))
            size = values * _UNITS.get(kind, 0)
            total += size if size <= length else 0  # more than there is, is not read
            if total > most:
                return True
    except struct.error:  # cut off
        return False
    return False
