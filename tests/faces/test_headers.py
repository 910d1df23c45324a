"""Files whose headers are made to fill the memory, before one pixel of them is decoded."""

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from grefel_hf.faces.headers import copies_itself, entries_explode
from grefel_hf.faces.photos import PhotoError, read_photo

ORIENTATION = 0x0112


def entries(count: int, size: int, is_big: bool = False) -> bytes:
    """A TIFF file whose entries are, each, the whole file."""
    head = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, count) if is_big else b"II*\0" + struct.pack("<LH", 8, count)
    layout = "<HHQQ" if is_big else "<HHLL"
    content = head + b"".join(struct.pack(layout, 1000 + number, 1, size, 0) for number in range(count))
    return content + bytes(max(0, size - len(content)) + 8)


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """A small picture with more segments."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "jpeg")
    more = b"".join(bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return b"\xff\xd8" + more + file.getvalue()[20:]  # without JFIF's density, which Pillow looks for in EXIF then


def png(kind: bytes, data: bytes) -> bytes:
    """A small picture with one more chunk."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "png")
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file.getvalue()[:33] + chunk + file.getvalue()[33:]


def segments(exif: bytes) -> list[tuple[int, bytes]]:
    """EXIF of more than one segment, as Pillow puts together."""
    return [(0xE1, b"Exif\0\0" + exif[start : start + 60_000]) for start in range(0, len(exif), 60_000)]


BOMBS = {
    "TIFF": entries(200, 1_000_000),
    "BigTIFF": entries(200, 1_000_000, is_big=True),
    "EXIF of a JPEG": jpeg(*segments(entries(200, 1_000_000))),
    "pictures of an MPO": jpeg((0xE2, b"MPF\0" + entries(1000, 60_000))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_entries_that_are_copies_of_each_other_are_refused(name):
    """2 MB became 65 GB."""
    assert len(BOMBS[name]) < 1_200_000
    tracemalloc.start()
    with pytest.raises(PhotoError, match="entries are copies"):
        read_photo(BOMBS[name])
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


PROFILE = b"\nexif\n400000\n" + entries(400, 400_000).hex().encode()  # as ImageMagick writes it


@pytest.mark.parametrize(
    "content",
    [
        png(b"eXIf", entries(200, 1_000_000)),
        png(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(PROFILE)),
    ],
)
def test_a_picture_is_read_without_such_exif(content):
    tracemalloc.start()
    assert read_photo(content).image.size == (16, 16)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["tiff", "jpeg", "png", "webp"])
def test_ordinary_files_are_not_refused(kind):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F], exif[0x927C] = 6, "A maker of cameras", bytes(50_000)
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, kind, exif=exif)
    assert not entries_explode(file)
    assert read_photo(file).image.size == (32, 64)


@pytest.mark.parametrize(
    "content",
    [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0+", b"II*\0\x08\0\0\0\xff\xff", b"\xff\xd8\xff"],
)
def test_what_is_cut_off_is_no_bomb(content):
    assert not copies_itself(io.BytesIO(content)) and not entries_explode(io.BytesIO(content))
