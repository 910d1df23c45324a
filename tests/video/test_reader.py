"""Reading videos: what is left of damaged ones, and what is no video."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf.video.reader import VideoError, VideoReader
from tests.helpers.video_clips import write_clip, write_sound


def test_what_is_left_of_a_truncated_video_is_read(tmp_path, caplog):
    noise = np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3)).astype(np.uint8)
    path = write_clip(tmp_path / "whole.mkv", [Image.fromarray(picture) for picture in noise])
    with VideoReader(path) as video:
        assert len(list(video.frames())) == 30 and video.problem is None
    half = tmp_path / "half.mkv"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoReader(half) as video:
        assert 5 < len(list(video.frames())) < 25
    assert "half.mkv is damaged or cut off" in video.problem and video.problem in caplog.text


def test_what_is_no_video_is_refused(tmp_path, clip, astronaut_file):
    playlist = tmp_path / "playlist.mp4"  # FFmpeg would read what it names
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n")
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(clip.read_bytes()[:1500])
    for path in (tmp_path / "nowhere.mp4", playlist, headless, astronaut_file):
        with pytest.raises(VideoError, match=path.name):
            VideoReader(path)
    with pytest.raises(VideoError, match="hum.mp4 has sound only"):
        VideoReader(write_sound(tmp_path / "hum.mp4"))


def test_decoders_may_be_freed_in_the_middle_of_a_video(clip):
    """With a level of its own PyAV logs from FFmpeg's threads, which then wait for Python's lock, as their end does."""
    import av

    with VideoReader(clip) as video:
        next(video.frames())
    assert av.logging.get_level() is None
