"""Uploads that are no ordinary photo: read, or refused in one sentence without a traceback."""

import struct
import zlib

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageOps

from grefel_hf.faces.photos import decodable_formats
from tests.helpers.tiny import tiny_endpoint


def saved(image: Image.Image, file, **options):
    image.save(file, **options)
    return file


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels to it: a decompression bomb in small."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def answer(app, file) -> tuple[str, str]:
    return tiny_endpoint(app, "predict", [{"path": app.upload(file)}])


@pytest.mark.parametrize(
    "kind", ["grey", "16 bit", "palette", "cmyk", "transparent", "animated", "phone", "rotated by EXIF"]
)
def test_unusual_photos_are_read(tiny_app, astronaut, tmp_path, kind):
    file = tmp_path / "photo.png"
    if kind == "grey":
        saved(astronaut.convert("L"), file)
    elif kind == "16 bit":
        saved(Image.fromarray(np.asarray(astronaut.convert("L")).astype(np.uint16) * 257), file)
    elif kind == "palette":
        saved(astronaut.convert("P"), file)
    elif kind == "cmyk":
        file = saved(astronaut.convert("CMYK"), tmp_path / "photo.jpg")
    elif kind == "transparent":
        file = saved(astronaut.convert("RGBA"), tmp_path / "photo.webp")
    elif kind == "phone":
        decodable_formats()  # registers HEIF
        file = saved(astronaut, tmp_path / "photo.heic")
    elif kind == "animated":
        frames = [astronaut, ImageOps.mirror(astronaut)]
        file = saved(frames[0], tmp_path / "photo.gif", save_all=True, append_images=frames[1:])
    else:
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees to see it upright
        file = saved(astronaut.rotate(90), tmp_path / "photo.jpg", exif=exif)
    event, content = answer(tiny_app, file)
    assert event == "complete" and '"label"' in content, content[:200]


@pytest.mark.parametrize("size", [(1, 1), (20_000, 20), (20, 20_000)])
def test_photos_of_odd_sizes_have_no_faces(tiny_app, tmp_path, size):
    event, content = answer(tiny_app, saved(Image.new("RGB", size, "grey"), tmp_path / "photo.png"))
    assert event == "complete" and '"faces": []' in content


BAD = {
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"no picture", "not an image that can be read"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "not an image that can be read"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "not an image that can be read"),
    "bomb.png": (png_header(60_000, 60_000), "the limit is"),
    "large.png": (png_header(8_000, 7_000), "the limit is 50 megapixels"),
    "cut.png": (png_header(500, 500), "truncated or damaged"),
    "archive.jpg": (b"PK\x03\x04" + bytes(200), "not an image that can be read"),
    "heavy.jpg": (b"\xff\xd8" + bytes(21_000_000), "the limit is 20 MB"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_sentence(tiny_app, tmp_path, name):
    content, reason = BAD[name]
    file = tmp_path / name
    file.write_bytes(content)
    printed = len(tiny_app.log.read_text())  # by other tests
    event, message = answer(tiny_app, file)
    assert event == "error"
    assert reason in message
    assert str(tiny_app.temporary) not in message and "Traceback" not in tiny_app.log.read_text()[printed:]


def test_of_a_truncated_jpeg_is_read_what_is_there(tiny_app, astronaut, tmp_path):
    whole = saved(astronaut, tmp_path / "photo.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(whole[: len(whole) * 4 // 5])
    event, message = answer(tiny_app, tmp_path / "photo.jpg")
    assert event == "complete" and "its end is missing" in message
    (tmp_path / "photo.jpg").write_bytes(whole[: len(whole) // 10])
    event, message = answer(tiny_app, tmp_path / "photo.jpg")
    assert event == "error" and "truncated" in message


@pytest.mark.parametrize("endpoint", ["predict", "compare", "occlusion", "many_photos", "video"])
@pytest.mark.parametrize("data", [None, [], "text", 3, {"path": None}, {"path": {}}, [{"path": 3}]])
def test_what_is_no_file_is_refused(tiny_app, endpoint, data):
    inputs = [data, 0.5] if endpoint == "video" else [data]
    event, _ = tiny_endpoint(tiny_app, endpoint, inputs)
    assert event == "error"


def test_two_requests_at_once_in_one_session_are_both_answered(tiny_app, astronaut, astronaut_file, tmp_path):
    client = Client(tiny_app.url, verbose=False, analytics_enabled=False)
    other = saved(Image.new("RGB", (60, 40), "grey"), tmp_path / "grey.png")
    jobs = [client.submit(handle_file(str(file)), api_name="/predict") for file in (astronaut_file, other)]
    assert [len(job.result(timeout=300)["faces"]) for job in jobs] == [1, 0]
