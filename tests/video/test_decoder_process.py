"""The process that decodes: what goes wrong in it is one sentence here, and it ends."""

import gc
import os
import subprocess
import sys

import pytest
from PIL import Image

from grefel_hf.limited_process import PACKAGES
from grefel_hf.video import reader
from grefel_hf.video.decoder import VideoError
from grefel_hf.video.reader import VideoReader
from tests.helpers.video_clips import write_clip

# A decoder that does something after the first frame, as FFmpeg would on a file that is made for it.
HOSTILE = """
import os, signal, time
from grefel_hf.video import decoder_process
class Hostile(decoder_process.VideoDecoder):
    def frames(self):
        yield next(super().frames())
        {action}
decoder_process.VideoDecoder = Hostile
decoder_process.main()
"""


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", [Image.new("RGB", (64, 48))] * 3)


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("time.sleep(600)", "clip.mp4 takes more than 0.5 s for a frame"),
        ("while True: pass", "clip.mp4 takes more than 0.5 s for a frame"),
        ("bytearray(6_000_000_000)", "clip.mp4 takes more memory than a video may"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "clip.mp4 made its decoder fail"),
        ("os._exit(0)", "clip.mp4 made its decoder fail"),
        ("print('no answer', flush=True); os._exit(0)", "clip.mp4 made its decoder fail"),
        ("raise decoder_process.VideoError(repr(open('written', 'wb', 0).write(b'x')))", "clip.mp4 made its decoder"),
        ("raise decoder_process.VideoError('clip.mp4' + os.environ.get('HF_TOKEN', ' has no token'))", "no token"),
    ],
)
def test_what_a_file_makes_of_its_decoder_is_one_sentence(clip, tmp_path, monkeypatch, action, says):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "hostile.py"
    script.write_text(HOSTILE.format(action=action))
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, str(script)))
    with VideoReader(clip, seconds=0.5) as video:
        with pytest.raises(VideoError, match=says) as raised:
            list(video.frames())
        assert "\n" not in str(raised.value)
    assert video._process.process.poll() is not None
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").stat().st_size


def test_a_process_that_is_killed_is_told(clip):
    with VideoReader(clip) as video:
        frames = video.frames()
        next(frames)
        video._process.process.kill()
        with pytest.raises(VideoError, match="made its decoder fail"):
            list(frames)


def test_no_process_stays(clip):
    video = VideoReader(clip)
    next(video.frames()).hold()
    process = video._process.process
    del video
    gc.collect()
    assert process.poll() is not None


def test_pictures_come_at_once_or_are_held(clip):
    with VideoReader(clip) as video:
        frames = video.frames()
        first, second = next(frames), next(frames)
        second.hold()
        with pytest.raises(RuntimeError, match="unless it is held"):
            first.image()
    assert second.image().size == (64, 48)


def test_it_starts_without_pytorch():
    code = "import sys, grefel_hf.video.decoder_process; print({'torch', 'transformers', 'cv2'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGES)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
