"""Frames of whatever people call a video: upright, at their own times, within limits."""

import gc

import av
import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.photos import decodable_formats
from grefel_hf.video import analysis
from grefel_hf.video.analysis import analyse_video, timelines
from grefel_hf.video.decoder import VideoDecoder, VideoError, oriented
from grefel_hf.video.reader import VideoReader
from tests.helpers.video_clips import Counter, write_clip, write_sound

COLOURS = np.array([[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]], np.uint8)


def quadrants() -> Image.Image:
    """64 x 32: its quarters show every turn and mirroring."""
    return Image.fromarray(COLOURS).resize((64, 32), Image.Resampling.NEAREST)


def shown(path) -> np.ndarray:
    """The quarters' colours (2, 2, 3) of the first frame."""
    with VideoReader(path) as video:
        picture = next(video.frames()).image()
    assert max(picture.size) == 64 and min(picture.size) == 32
    middle = np.asarray(picture.resize((2, 2), Image.Resampling.BOX))
    return np.where(middle > 127, 255, 0)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_all_eight_orientations_are_shown_as_players_do(tmp_path, rotation, hflip):
    path = write_clip(tmp_path / "clip.mp4", [quadrants()] * 2, rotation=rotation, hflip=hflip)
    expected = np.rot90(COLOURS, rotation // 90)  # counter-clockwise
    assert np.array_equal(shown(path), expected[:, ::-1] if hflip else expected)


def test_long_clips_are_read_to_their_end(tmp_path):
    """Frames that are not given back would be over the limit of memory after a hundred."""
    path = write_clip(tmp_path / "clip.mp4", [Image.new("RGB", (640, 480), "navy")] * 300)
    with VideoReader(path, max_pixels=640 * 480) as video:
        assert sum(frame.image().size == (640, 480) for frame in video.frames()) == 300
        assert video.problem is None


def test_frames_are_given_back_without_the_garbage_collector(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", [quadrants()] * 40, rotation=90)
    decoder = VideoDecoder(path, max_pixels=10_000)
    gc.collect()
    gc.disable()
    try:
        for frame in decoder.frames():
            frame.image()
        kept = sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())
    finally:
        gc.enable()
        decoder.close()
    assert kept < 5


def test_display_matrices_by_hand():
    """FFmpeg sends (x, y) to (a x + c y, b x + d y): [a, b, 0, c, d, 0, 0, 0, 1]."""
    one = 1 << 16

    def turned(a, b, c, d):
        matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32)
        return oriented(COLOURS, matrix.tobytes())

    assert np.array_equal(turned(-1, 0, 0, 1), COLOURS[:, ::-1])  # front cameras
    assert np.array_equal(turned(1, 0, 0, -1), COLOURS[::-1])
    assert np.array_equal(turned(0, 1, -1, 0), np.rot90(COLOURS, -1))  # phones upright: clockwise
    assert np.array_equal(turned(0, 1, 1, 0), COLOURS.swapaxes(0, 1))
    assert np.array_equal(oriented(COLOURS, b""), COLOURS)


def write_stretched(path, aspect: int):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (640, 360)))))
        container.mux(stream.encode())
    return path


def test_stretched_pixels_are_made_square_within_limits(tmp_path):
    with VideoReader(write_stretched(tmp_path / "wide.avi", 2)) as video:
        assert next(video.frames()).image().size == (1280, 360)
    with pytest.raises(VideoError, match="bomb.avi has pixels 200 times as wide as high"):
        VideoReader(write_stretched(tmp_path / "bomb.avi", 200))


def test_large_frames_are_refused_whatever_the_header_says(tmp_path):
    clip = write_clip(tmp_path / "large.mkv", [Image.new("RGB", (1600, 1200))])
    content = bytearray(clip.read_bytes())
    for tag, side in ((b"\xb0\x82", 1600), (b"\xba\x82", 1200)):  # PixelWidth, PixelHeight
        start = content.index(tag + side.to_bytes(2, "big")) + 2
        content[start : start + 2] = (64).to_bytes(2, "big")
    (tmp_path / "lie.mkv").write_bytes(content)
    for name in ("large.mkv", "lie.mkv"):
        with (
            pytest.raises(VideoError, match=f"{name} .*1 megapixels"),
            VideoReader(tmp_path / name, 1_000_000) as video,
        ):
            list(video.frames())


def test_a_wild_rate_neither_spaces_looks_nor_holds_frames(tmp_path, monkeypatch):
    """At 2,000 frames a second the frames between two looks took gigabytes."""
    times = [index / 2000 for index in range(400)]
    path = write_clip(tmp_path / "fast.mkv", [Image.new("RGB", (64, 48))] * 400, times, rate=2000)
    nobody = Counter()
    with VideoReader(path) as video:
        assert video.rate <= 240
        frames = list(analyse_video(video, nobody, interval=0.1, every_frame=True))
    assert nobody.pictures <= 3 and len(frames) < 20
    monkeypatch.setattr(analysis, "PIXELS_IN_FLIGHT", 64 * 48 * 5)
    held = []
    with VideoReader(path) as video:
        for frame in analyse_video(video, Counter(), interval=0.1, every_frame=True):
            held.append(frame.analysed)
    gaps = [len(part) for part in "".join("L" if look else "-" for look in held).split("L")]
    assert max(gaps) <= 5 and len(held) >= 10


def test_without_a_rate_frames_are_chosen_by_their_times(tmp_path):
    """A browser's recorder writes none: a clip of six seconds was analysed on one frame."""
    times = [index / 30 for index in range(60)]
    path = write_clip(tmp_path / "clip.webm.mkv", [Image.new("RGB", (64, 48))] * 60, times, rate=1000)
    with VideoReader(path) as video:
        looks = [frame.time for frame in analyse_video(video, Counter(), interval=0.2)]
    assert len(looks) == 10 and np.allclose(np.diff(looks), 0.2, atol=0.01)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_moving_pictures_are_videos(tmp_path, suffix):
    path = tmp_path / "no suffix"
    frames = [quadrants().transpose(Image.Transpose.FLIP_TOP_BOTTOM), quadrants(), Image.new("RGB", (64, 32))]
    frames[0].save(path, suffix, save_all=True, append_images=frames[1:], duration=[100, 300, 100])
    with VideoReader(path) as video:
        read = []
        for frame in video.frames():
            frame.hold()
            read.append(frame)
        assert video.size == (64, 32) and video.problem is None and not video.has_sound
    assert [frame.time for frame in read] == pytest.approx([0, 0.1, 0.4])
    assert np.abs(np.asarray(read[1].image()).astype(int) - np.asarray(quadrants())).mean() < 12


def test_a_copy_of_a_moving_picture(tmp_path, astronaut):
    from grefel_hf.video.writer import write_annotated

    path = tmp_path / "moves.gif"
    frames = [quadrants(), quadrants().transpose(Image.Transpose.FLIP_TOP_BOTTOM)] * 3
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200)
    with VideoReader(path) as video:
        frames = list(write_annotated(analyse_video(video, Counter()), tmp_path / "copy.mp4", video))
    with VideoReader(tmp_path / "copy.mp4") as copy:
        assert len(frames) == len(list(copy.frames())) == 6


def test_content_counts_not_the_name(tmp_path):
    for name in ("clip.mp4", "clip.flv"):
        clip = write_clip(tmp_path / name, [quadrants()] * 3)
        other = clip.rename(tmp_path / f"{name[-3:]}.f4v")
        with VideoReader(other) as video:
            assert len(list(video.frames())) == 3


def test_nobody_gives_a_table_with_its_columns(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [quadrants()] * 3)
    with VideoReader(clip) as video:
        table = timelines(analyse_video(video, Counter()))
    assert len(table) == 0 and list(table.columns) == analysis.timeline_columns(("neutral", "happiness"))


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


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_clock_that_does_not_start_at_zero_is_no_damage(tmp_path, suffix):
    """Matroska counts its length from zero: a clip that was cut out looked as if its tail were missing."""
    clip = write_clip(tmp_path / f"late.{suffix}", [quadrants()] * 20, [9 + index / 10 for index in range(20)])
    with VideoReader(clip) as video:
        assert [frame.time for frame in video.frames()] == pytest.approx(np.arange(20) / 10, abs=0.01)
        assert video.problem is None and video.start >= 9 and video.expected_frames <= 22


def test_what_is_no_video_is_refused(tmp_path, clip, astronaut_file):
    playlist = tmp_path / "playlist.mp4"  # FFmpeg would read what it names
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n")
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(clip.read_bytes()[:1500])
    for path in (tmp_path / "nowhere.mp4", playlist, headless):
        with pytest.raises(VideoError, match=path.name):
            VideoReader(path)
    decodable_formats()  # registers HEIF
    quadrants().save(tmp_path / "phone.heic")
    for photo in (tmp_path / "phone.heic", astronaut_file):
        with pytest.raises(VideoError, match=f"{photo.name} is a photo, not a video"):
            VideoReader(photo)
    with pytest.raises(VideoError, match="hum.mp4 has sound only"):
        VideoReader(write_sound(tmp_path / "hum.mp4"))


def test_decoders_may_be_freed_in_the_middle_of_a_video(clip):
    """With a level of its own PyAV logs from FFmpeg's threads, which then wait for Python's lock, as their end does."""
    with VideoReader(clip) as video:
        next(video.frames())
    assert av.logging.get_level() is None
