"""Damaged files of every format end in an answer or a one-line error, quickly; more by GREFEL_FUZZ=10000."""

import contextlib
import io
import os
import time

import av
import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.photos import PhotoError, decodable_formats, read_photo
from grefel_hf.media import kind_of
from grefel_hf.video.decoder import MAX_PIXELS, VideoDecoder, VideoError
from tests.helpers.video_clips import write_clip

MUTATIONS = int(os.environ.get("GREFEL_FUZZ", 300))
SECONDS = 10.0  # for one file
PHOTOS = ("jpeg", "progressive", "png", "gif", "webp", "tiff", "bmp", "heif", "avif", "jpeg2000", "ppm", "mpo", "qoi")
NUMBERS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\1\0\0")
VIDEOS = ("mp4", "mkv", "avi", "moving gif", "moving webp")


def photo(kind: str) -> bytes:
    decodable_formats()  # registers HEIF
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)).resize((96, 72))
    content = io.BytesIO()
    options = {"progressive": {"format": "jpeg", "progressive": True}, "qoi": {"format": "qoi"}}
    picture.save(content, **options.get(kind, {"format": kind}))
    return content.getvalue()


def video(kind: str, folder) -> bytes:
    pictures = [Image.new("RGB", (64, 48), (40 * index, 99, 200)) for index in range(6)]
    if kind.startswith("moving"):
        content = io.BytesIO()
        pictures[0].save(content, kind.split()[1], save_all=True, append_images=pictures[1:], duration=100)
        return content.getvalue()
    return write_clip(folder / f"clip.{kind}", pictures).read_bytes()


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Bytes changed, cut off, taken out, doubled, or large numbers written, most of them near the beginning."""
    data = bytearray(content)
    for _ in range(random.integers(1, 6)):
        near = random.random() < 0.6
        place = int(random.integers(0, max(1, min(len(data), 200 if near else len(data)))))
        kind = random.integers(0, 6)
        if kind == 0:
            data[place : place + 1] = bytes([random.integers(0, 256)])
        elif kind == 1:
            del data[max(place, 8) :]
        elif kind == 2:
            del data[place : place + int(random.integers(1, 50))]
        elif kind == 3:
            data[place:place] = data[place : place + int(random.integers(1, 400))]
        elif kind == 4:
            data[place : place + 4] = NUMBERS[random.integers(0, len(NUMBERS))]
        else:
            data[place : place + 8] = random.bytes(8)
    return bytes(data)


def read(content: bytes, path) -> str:
    """What came of it."""
    path.write_bytes(content)
    kind_of(content)
    try:
        if path.suffix == ".video":
            with contextlib.closing(VideoDecoder(path, MAX_PIXELS)) as decoder:  # as in a process of its own
                for frame in decoder.frames():
                    frame.image()
        else:
            assert read_photo(path).image.mode == "RGB"
    except (PhotoError, VideoError) as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return "refused"
    return "read"


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_end_in_an_answer_or_an_error(tmp_path):
    random = np.random.default_rng(0)
    contents = {}
    for kind in PHOTOS:
        try:
            contents[kind] = photo(kind), tmp_path / f"{kind}.photo"
        except (KeyError, ValueError, OSError):  # what this Pillow cannot write
            continue
    contents |= {kind: (video(kind, tmp_path), tmp_path / f"{kind}.video") for kind in VIDEOS}
    assert len(contents) >= 12
    outcomes = []
    for index in range(MUTATIONS):
        content, path = list(contents.values())[index % len(contents)]
        start = time.monotonic()
        outcomes.append(read(mutated(content, random), path))
        assert time.monotonic() - start < SECONDS, path.name
    assert 0.1 < outcomes.count("read") / len(outcomes) < 0.9


def test_what_is_whole_is_read(tmp_path):
    assert read(photo("png"), tmp_path / "a.photo") == read(video("mp4", tmp_path), tmp_path / "a.video") == "read"
    assert av.logging.get_level() is None
