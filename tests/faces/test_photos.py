"""Reading photos: every kind of source comes out upright and RGB, every broken one names itself."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.photos import MAX_PIXELS, PhotoError, find_photos, load_photo

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


def test_takes_the_first_frame(tmp_path):
    path = tmp_path / "moving.gif"
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    first.save(path, save_all=True, append_images=[second])
    assert load_photo(path).getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_reads_arrays(shape, dtype):
    array = np.full(shape, 51 if dtype == np.uint8 else 0.2, dtype)
    if shape[-1] == 4:
        array[..., 3] = 255 if dtype == np.uint8 else 1.0
    image = load_photo(array)
    assert (image.mode, image.size) == ("RGB", (6, 4))
    assert (np.asarray(image) == 51).all()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 8, 8), np.uint8), "channels last"),
        (np.zeros((1, 8, 8, 3), np.uint8), "channels last"),
        (np.zeros(8, np.uint8), "channels last"),
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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif"])
def test_names_a_truncated_file(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotoError, match=f"cut.{suffix} is"):
        load_photo(path)


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


def test_finds_photos_in_folders_and_keeps_named_files(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.png", ".cache/x.png", "odd.bin"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = find_photos([tmp_path / "odd.bin", str(tmp_path), tmp_path / "a.webp"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["odd.bin", "a.webp", "b/1.png", "b/2.JPG"]


def test_finding_names_what_does_not_exist(tmp_path):
    with pytest.raises(PhotoError, match="nowhere does not exist"):
        find_photos([tmp_path, tmp_path / "nowhere"])
