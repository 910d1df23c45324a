"""Photos decoded apart: what goes wrong there is one sentence here, and the next photo is read."""

import gc
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces import photo_reader
from grefel_hf.faces.photo_reader import PhotoReader
from grefel_hf.faces.photos import PhotoError, read_photo
from grefel_hf.limited_process import PACKAGES

# A decoder that does something with one photo, as Pillow would with one that is made for it.
HOSTILE = """
import os, signal, sys, time
from grefel_hf.faces import photo_process
def take_answers(take=photo_process.take_answers):
    global answers
    answers = take()
    return answers
def read(source, max_pixels, read=photo_process.read_photo):
    if "hostile" in str(source):
        {action}
    return read(source, max_pixels=max_pixels)
photo_process.take_answers, photo_process.read_photo = take_answers, read
photo_process.main()
"""


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "hostile.png"
    Image.new("RGB", (40, 20), "red").save(path)
    return path


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("time.sleep(600)", "hostile.png takes more than 0.5 s to read"),
        ("while True: pass", "hostile.png takes more than 0.5 s to read"),
        ("bytearray(6_000_000_000)", "hostile.png takes more memory than a photo may"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "hostile.png makes its decoder fail"),
        ("os._exit(0)", "hostile.png makes its decoder fail"),
        ("answers.write(b'no answer' * 9)", "hostile.png makes its decoder fail"),
        ("photo_process.send(answers, size=(1 << 20, 1 << 20), notes=())", "hostile.png makes its decoder fail"),
        ("open('written', 'wb', 0).write(b'x')", "hostile.png makes its decoder fail"),
        ("raise photo_process.PhotoError(os.environ.get('HF_TOKEN', 'no token'))", "no token"),
    ],
)
def test_what_a_photo_makes_of_its_decoder_is_one_sentence(photo, tmp_path, monkeypatch, action, says):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "decoder.py"
    script.write_text(HOSTILE.format(action=action))
    monkeypatch.setattr(photo_reader, "COMMAND", (sys.executable, str(script)))
    reader = PhotoReader(max_pixels=1_000_000, seconds=0.5)
    with pytest.raises(PhotoError, match=says) as raised:
        reader.read(photo)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").stat().st_size
    innocent = photo.rename(tmp_path / "other.png")
    assert reader.read(innocent).image.size == (40, 20)


@pytest.fixture
def reader():
    reader = PhotoReader(max_pixels=1_000_000)
    yield reader
    reader.close()


def test_photos_are_as_they_are_read_here(reader, photo, tmp_path):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (30, 50, 4), np.uint8))
    noise.save(tmp_path / "noise.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.convert("RGB").save(tmp_path / "turned.jpg", exif=exif)
    for path in (photo, tmp_path / "noise.png", tmp_path / "turned.jpg"):
        for source in (path, path.read_bytes()):
            ours, theirs = reader.read(source), read_photo(path)
            assert np.array_equal(np.asarray(ours.image), np.asarray(theirs.image)) and ours.notes == theirs.notes
    process = reader._process.process
    with pytest.raises(PhotoError, match="absent.png does not exist"):
        reader.read(tmp_path / "absent.png")
    with pytest.raises(PhotoError, match="is too large .* 0.0001 megapixels"):
        reader.read(photo, max_pixels=100)
    assert reader._process.process is process  # these are no reason for a new one


def test_one_that_was_killed_while_it_was_idle_is_replaced(reader, photo):
    reader.read(photo)
    reader._process.process.kill()
    reader._process.process.wait()
    assert reader.read(photo).image.size == (40, 20)


def test_a_process_serves_so_many_photos(reader, photo, monkeypatch):
    monkeypatch.setattr(photo_reader, "PHOTOS_A_PROCESS", 2)
    numbers = [reader.read(photo) and reader._process.process.pid for _ in range(3)]
    assert numbers[0] == numbers[1] != numbers[2]


def test_no_process_stays(photo):
    reader = PhotoReader()
    reader.read(photo)
    process = reader._process.process
    del reader
    gc.collect()
    assert process.poll() is not None


def test_it_starts_without_pytorch():
    code = "import sys, grefel_hf.faces.photo_process; print({'torch', 'transformers', 'cv2'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGES)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
