"""Reading photos: every kind of source comes out upright and RGB, every broken one names itself."""

import base64
import io
import os
import socket
import struct
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, TiffImagePlugin

from grefel_hf.faces.photos import (
    MAX_PIXELS,
    PhotoError,
    decodable_formats,
    image_suffixes,
    load_photo,
    read_photo,
)

ORIENTATION = 0x0112


def quadrants() -> Image.Image:
    """40 x 20, its four quarters red, green / blue, white: shows every turn and mirroring."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:10, :20], pixels[:10, 20:], pixels[10:, :20], pixels[10:, 20:] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
    )
    return Image.fromarray(pixels)


@pytest.mark.parametrize("as_text", [True, False])
def test_reads_paths(tmp_path, as_text):
    path = tmp_path / "photo.png"
    quadrants().save(path)
    image = load_photo(str(path) if as_text else path)
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(quadrants()))


@pytest.mark.parametrize(
    ("tag", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),  # stored a quarter turn to the left of upright
        (8, Image.Transpose.ROTATE_270),
        (5, Image.Transpose.TRANSPOSE),
    ],
)
def test_turns_upright_by_exif(tmp_path, tag, turn):
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    path = tmp_path / "turned.png"
    quadrants().transpose(turn).save(path, exif=exif)
    assert np.array_equal(np.asarray(load_photo(path)), np.asarray(quadrants()))


def test_leaves_the_callers_image_alone():
    image = quadrants()
    exif = image.getexif()
    exif[ORIENTATION] = 6
    assert load_photo(image).size == (20, 40)
    assert image.size == (40, 20)


def test_lays_transparency_on_white():
    image = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    image.putpixel((1, 0), (200, 0, 0, 0))
    assert load_photo(image).getpixel((0, 0)) == (200, 0, 0)
    assert load_photo(image).getpixel((1, 0)) == (255, 255, 255)


def test_lays_a_transparent_palette_on_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    path = tmp_path / "palette.png"
    image.save(path, transparency=1)
    loaded = load_photo(path)
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (255, 255, 255)]


def test_reads_cmyk(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)
    red, green, blue = load_photo(path).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 32896, 65535]], np.uint16), [0, 128, 255]),  # I;16
        (np.array([[0, 128, 255]], np.uint16), [0, 128, 255]),  # 8-bit values in a 16-bit file
        (np.array([[0, 32896, 65535]], np.int32), [0, 128, 255]),  # I
        (np.array([[-100, 0, 110]], np.int32), [0, 121, 255]),  # no usual scale: stretched
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),  # F
        (np.array([[0, 128, 255]], np.float32), [0, 128, 255]),
    ],
)
def test_brings_deep_greyscale_to_8_bits(tmp_path, values, expected):
    path = tmp_path / "deep.tiff"
    Image.fromarray(values).save(path)
    assert np.asarray(load_photo(path))[0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize("suffix", ["gif", "tiff", "avif", "webp"])
def test_takes_the_first_picture_of_several_and_says_so(tmp_path, suffix):
    path = tmp_path / f"several.{suffix}"
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    first.save(path, save_all=True, append_images=[second])
    photo = read_photo(path)
    red, green, blue = photo.image.getpixel((4, 4))
    assert red > 240 and max(green, blue) < 15 and photo.notes == ("the first picture of several",)


@pytest.mark.parametrize("layout", ["HW", "HW1", "HW3", "HW4", "1HW", "3HW", "4HW"])
@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1), (np.float64, 1)])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_reads_arrays_and_tensors(layout, dtype, full, kind):
    channels = int(layout.strip("HW") or 0)
    array = np.full((8, 6, max(1, channels)), full / 5, dtype)
    array[:, 0] = full
    if channels == 4:
        array[:, :, 3] = full  # opaque
    array = array[:, :, 0] if not channels else np.moveaxis(array, 2, 0) if layout.endswith("HW") else array
    image = load_photo(kind(np.ascontiguousarray(array)))
    assert (image.mode, image.size) == ("RGB", (6, 8))
    assert (np.asarray(image)[:, 0] == 255).all() and (np.asarray(image)[:, 1:] == 51).all()


def test_channels_that_could_be_first_or_last_are_as_their_kind_has_them():
    array = np.zeros((3, 5, 3), np.uint8)
    array[0] = 200
    assert load_photo(array).size == (5, 3)
    assert load_photo(torch.from_numpy(array)).size == (3, 5)


def test_arrays_are_rgb_unless_said_otherwise():
    array = np.zeros((8, 8, 3), np.uint8)
    array[:, :, 0] = 200
    assert load_photo(array).getpixel((0, 0)) == (200, 0, 0)
    assert "read as RGB" in read_photo(array).notes[0]
    photo = read_photo(array, channel_order="bgr")
    assert photo.image.getpixel((0, 0)) == (0, 0, 200) and photo.notes == ()
    with pytest.raises(PhotoError, match="choose rgb or bgr"):
        load_photo(array, channel_order="grb")


def test_reads_bytes_open_files_data_uris_and_rows_of_datasets(tmp_path):
    content = io.BytesIO()
    quadrants().save(content, "png")
    data = content.getvalue()
    path = tmp_path / "photo"
    path.write_bytes(data)
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    with path.open("rb") as file:
        for source in (data, bytearray(data), content, file, uri, {"bytes": data}, {"bytes": None, "path": str(path)}):
            assert np.array_equal(np.asarray(load_photo(source)), np.asarray(quadrants()))
    for source, words in (
        (b"", "is empty"),
        (io.StringIO("text"), "binary"),
        ("data:image/png,text", "base64"),
        ("data:;base64,?", "damaged"),
        ({}, "dict"),
    ):
        with pytest.raises(PhotoError, match=words):
            load_photo(source)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 8, 8), np.uint8), "is not a photo"),
        (np.zeros((1, 8, 8, 3), np.uint8), "is not a photo"),
        (np.zeros(8, np.uint8), "is not a photo"),
        (np.zeros((0, 8), np.uint8), "no pixels"),
        (np.zeros((8, 8), np.int64), "int64"),
        (np.full((8, 8), 200.0), r"\[0, 1\]"),
        (np.full((8, 8), np.nan), r"\[0, 1\]"),
    ],
)
def test_refuses_other_arrays(array, words):
    with pytest.raises(PhotoError, match=words):
        load_photo(array)


def test_refuses_other_types():
    with pytest.raises(PhotoError, match="list"):
        load_photo([[0, 1], [1, 0]])


def test_names_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(PhotoError, match="absent.jpg does not exist"):
        load_photo(tmp_path / "absent.jpg")
    with pytest.raises(PhotoError, match="is a folder"):
        load_photo(tmp_path)
    with pytest.raises(PhotoError, match="does not exist"):
        load_photo("x" * 5000)


def test_names_a_file_that_holds_no_image(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image, whatever its name says")
    with pytest.raises(PhotoError, match="empty.jpg is empty"):
        load_photo(tmp_path / "empty.jpg")
    with pytest.raises(PhotoError, match="text.jpg is not an image"):
        load_photo(tmp_path / "text.jpg")


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif"])
def test_names_a_truncated_file(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noisy().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    with pytest.raises(PhotoError, match=f"cut.{suffix} is"):
        load_photo(path)


@pytest.mark.parametrize(("suffix", "progressive"), [("jpg", False), ("jpg", True), ("png", False), ("bmp", False)])
@pytest.mark.parametrize("lost", [2, 0.2])
def test_reads_what_is_there_of_one_whose_end_is_missing(tmp_path, suffix, progressive, lost):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noisy().save(whole, **({"progressive": True} if progressive else {}))
    content = whole.read_bytes()
    if suffix == "png":  # without the end of the file's pixels
        content = content[: content.rindex(b"IDAT", 0, len(content) - 16) + 4 + 8000]
    cut.write_bytes(content[: -lost if lost == 2 else round(len(content) * (1 - lost))])
    photo = read_photo(cut)
    assert "its end is missing" in photo.notes[0]
    there = slice(32, 64) if suffix == "bmp" else slice(0, 32)  # which begins with the last row
    distance = np.abs(np.asarray(photo.image).astype(int) - np.asarray(load_photo(whole)))[there].mean()
    assert photo.image.size == (64, 64) and distance < (60 if progressive else 1)


def test_large_jpegs_are_read_at_reduced_size(tmp_path):
    path = tmp_path / "large.jpg"
    quadrants().resize((400, 200), Image.Resampling.NEAREST).save(path)
    photo = read_photo(path, max_pixels=25_000)
    assert photo.image.size == (200, 100) and "read at 200 x 100 instead of its 400 x 200" in photo.notes[0]
    with pytest.raises(PhotoError, match="large.jpg is too large.*0.04 megapixels.*--max_megapixels"):
        read_photo(path, max_pixels=10_000)
    quadrants().resize((400, 200)).save(tmp_path / "large.png")
    with pytest.raises(PhotoError, match="large.png is too large"):
        read_photo(tmp_path / "large.png", max_pixels=25_000)


def test_what_would_take_too_long_is_refused_by_its_header(tmp_path):
    """Scans by the hundred, and decoders in Python, took 18 to 29 s."""
    start = time.monotonic()
    scans = io.BytesIO()
    Image.new("L", (8000, 8000)).save(scans, "jpeg", progressive=True, quality=30)
    data = scans.getvalue()
    last = data.rindex(b"\xff\xda")
    bomb = data[:-2] + data[last:-2] * 300 + data[-2:]
    with pytest.raises(PhotoError, match="3.. passes"):
        load_photo(bomb)
    with pytest.raises(PhotoError, match="too large"):
        load_photo(b"P3 4000 4000 255\n" + b"0 " * 1000)
    with pytest.raises(PhotoError, match="too large"):
        load_photo(b"qoif" + struct.pack(">II", 4000, 4000) + b"\x03\0" + b"\xc0" * 1000)
    assert time.monotonic() - start < 5


def in_passes(size: tuple[int, int], passes: int) -> bytes:
    """A sequential JPEG that is written colour by colour, and so in several passes."""
    grey = io.BytesIO()
    Image.new("L", size, 128).save(grey, "jpeg", quality=30)
    content = grey.getvalue()
    frame, scan = content.index(b"\xff\xc0"), content.rindex(b"\xff\xda")
    tables, end = content[content.index(b"\xff\xdb") : frame], frame + 2 + content[frame + 3]
    colours = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    header = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, size[1], size[0], 3) + colours
    data = content[scan + 10 : -2]
    scans = [b"\xff\xda\0\x08\x01" + bytes([1 + number % 3]) + b"\0\0\x3f\0" + data for number in range(passes)]
    return b"\xff\xd8" + tables + header + content[end:scan] + b"".join(scans) + b"\xff\xd9"


def test_passes_count_in_every_jpeg():
    """Not only in progressive ones; and of several passes the whole is kept, however small it is to be shown."""
    assert load_photo(in_passes((64, 64), 3)).getpixel((32, 32)) == (128, 128, 128)
    with pytest.raises(PhotoError, match="200 passes"):
        load_photo(in_passes((4000, 4000), 200))
    with pytest.raises(PhotoError, match="too large"):
        load_photo(in_passes((64, 64), 3), max_pixels=2000)


def test_a_tile_that_is_larger_than_the_picture_counts(tmp_path):
    """A picture of one pixel took the memory of a tile of 2 GB."""
    entries = {256: 1, 257: 1, 258: 8, 259: 8, 262: 1, 277: 1, 322: 40_000, 323: 40_000, 324: 200, 325: 100}
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    content += b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in entries.items()) + bytes(4)
    content = content.ljust(200, b"\0") + zlib.compress(bytes(50_000))[:100].ljust(100, b"\0")
    with pytest.raises(PhotoError, match="too large"):
        load_photo(content)


@pytest.mark.parametrize("kind", ["ico", "icns"])
def test_icons_are_no_photos(kind):
    """Their header does not say how large the picture inside is, which is read as they are opened."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, kind)
    with pytest.raises(PhotoError, match="not an image that can be read"):
        load_photo(file)


def test_reads_heic_upright(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "phone.heic"
    image = quadrants().resize((160, 80), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pillow_heif.register_heif_opener()
    image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif.tobytes(), quality=95)
    loaded = load_photo(path)
    assert loaded.size == (160, 80)
    assert np.abs(np.asarray(loaded).astype(int) - np.asarray(image)).mean() < 8


def test_reads_both_pictures_formats_of_a_stereo_camera_by_name(tmp_path):
    quadrants().save(tmp_path / "stereo.mpo", save_all=True, append_images=[quadrants()])
    assert ".mpo" in image_suffixes() and load_photo(tmp_path / "stereo.mpo").size == (40, 20)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_001, 60_000])  # above our limit; far above Pillow's own
def test_refuses_a_bomb_by_its_header(tmp_path, side):
    assert side * side > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(PhotoError, match="bomb.png is too large.*100 megapixels"):
        load_photo(path)


FORMATS = ("jpeg", "png", "webp", "tiff", "heif", "avif")


@pytest.mark.parametrize("tag", range(2, 9))
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_turned_upright_by_every_tag(kind, tag):
    decodable_formats()  # registers HEIF
    back = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_90",
        7: "TRANSVERSE",
    }
    picture = quadrants().resize((160, 80), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    content = io.BytesIO()
    stored = picture.transpose(Image.Transpose[back.get(tag, "ROTATE_270")])
    stored.save(content, kind, exif=exif.tobytes() if kind == "heif" else exif)
    upright = np.asarray(load_photo(content)).astype(int)
    assert upright.shape == (80, 160, 3) and np.abs(upright - np.asarray(picture)).mean() < 8


def test_rare_modes_are_read(tmp_path):
    picture = Image.new("RGB", (16, 16), (200, 60, 60))
    lab = ImageCms.profileToProfile(
        picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "lab.tiff")
    found = np.asarray(load_photo(tmp_path / "lab.tiff")).astype(int)
    assert np.abs(found - np.asarray(picture)).max() <= 4
    big_endian = Image.frombytes("I;16B", (3, 1), np.array([0, 32896, 65535], ">u2").tobytes())
    big_endian.save(tmp_path / "16.tiff")
    assert np.asarray(load_photo(tmp_path / "16.tiff"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40, b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_damaged_exif_block_is_no_reason_to_lose_the_picture(tmp_path, exif, suffix):
    quadrants().save(tmp_path / f"photo.{suffix}", exif=exif)
    assert load_photo(tmp_path / f"photo.{suffix}").size == (40, 20)


def test_plain_margins_are_not_missing(tmp_path):
    """Bars above and below a picture have rows of one value, as rows have that were never read."""
    picture = Image.new("RGB", (64, 200))
    picture.paste(noisy(), (0, 68))
    path = tmp_path / "bars.jpg"
    picture.save(path)
    path.write_bytes(path.read_bytes()[:-2])
    photo = read_photo(path)
    assert "its end is missing" in photo.notes[0]
    assert np.abs(np.asarray(photo.image).astype(int) - np.asarray(picture)).mean() < 20


def test_the_preview_of_a_raw_file_is_told(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    quadrants().save(tmp_path / "raw.dng", "tiff", tiffinfo=tags)
    assert "small preview" in read_photo(tmp_path / "raw.dng").notes[0]
    quadrants().save(tmp_path / "photo.tiff")
    assert read_photo(tmp_path / "photo.tiff").notes == ()


@pytest.mark.parametrize(
    "name", ["UPPER.PNG", "none", "wrong.mp4", "gro\u0308\u00dfe.png", "two\nlines.png", "[b] x.png", "-a.png"]
)
def test_names_do_not_matter(tmp_path, name):
    quadrants().save(tmp_path / name, "png")
    assert load_photo(tmp_path / name).size == (40, 20)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        for path in (tmp_path / "pipe.png", tmp_path / "socket.png", "/dev/zero"):
            with pytest.raises(PhotoError, match="is not an ordinary file"):
                load_photo(path)


def test_other_kinds_of_arrays_and_texts(tmp_path):
    tensor = torch.full((3, 8, 6), 0.2, dtype=torch.bfloat16, requires_grad=True)
    assert load_photo(tensor).size == (6, 8) and 50 <= load_photo(tensor).getpixel((0, 0))[0] <= 52
    quadrants().save(tmp_path / "a.png")
    assert load_photo(np.str_(tmp_path / "a.png")).size == (40, 20)
    with pytest.raises(PhotoError, match="a Tensor cannot be read as an array"):
        load_photo(torch.zeros(8, 8).to_sparse())
