"""Videos from file to timelines and back to a file."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf.palette import class_colours
from grefel_hf.video.analysis import analyse_video, timeline_columns, timelines
from grefel_hf.video.reader import VideoError, VideoReader
from grefel_hf.video.writer import free_place, write_annotated
from tests.helpers.video_clips import SIZE, read_pictures, scene, write_clip, write_sound

# Two persons who come nearer to each other; the frames are not evenly spaced.
LEFTS = [(5 + 3 * i, 120 - 2 * i) for i in range(7)]
TIMES = [0.0, 0.1, 0.25, 0.3, 0.5, 0.55, 0.7]


@pytest.fixture(scope="module")
def clip(astronaut, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return write_clip(path, [scene(astronaut, *lefts) for lefts in LEFTS], TIMES, sound=True)


@pytest.fixture(scope="module")
def annotated(clip, predictor):
    """The copy, its frames and the table of the clip's every third frame."""
    path = clip.with_name("annotated.mp4")
    with VideoReader(clip) as video:
        frames = analyse_video(video, predictor, stride=3, smoothing=0.5, every_frame=True)
        frames = list(write_annotated(frames, path, video))
    assert video.problem is None
    return path, frames, timelines(frames)


def test_texts_do_not_cover_each_other():
    """Four faces side by side, nearer than their texts are wide."""
    taken = []
    for left in (20, 60, 100, 140):
        place = free_place((left, 40, left + 30, 90), (80, 14), (320, 120), taken)
        assert 0 <= place[0] and place[2] <= 320 and 0 <= place[1] and place[3] <= 120
        for other in taken:
            assert place[2] <= other[0] or other[2] <= place[0] or place[3] <= other[1] or other[3] <= place[1]
        taken.append(place)
    assert [place[1] for place in taken[:2]] == [26, 90]  # above the face, then below
    assert free_place((-9, 5, 30, 119), (80, 14), (320, 120), []) == (0, 5, 80, 19)  # no room but inside
    assert free_place((5, 3, 30, 9), (90, 14), (60, 12), []) == (0, 0, 90, 14)  # the picture is smaller than the text


def test_each_person_has_a_timeline(annotated, predictor):
    _, _, table = annotated
    assert list(table.columns) == timeline_columns(predictor.labels)
    assert table.frame.tolist() == [0, 0, 3, 3, 6, 6] and table.person.tolist() == [1, 2] * 3
    assert table.time.tolist() == pytest.approx([0, 0, 0.3, 0.3, 0.7, 0.7], abs=1e-3)
    assert set(table.label) == {"happiness"} and table.score.gt(0.5).all()
    first = table[table.person == 1]
    assert first.left.is_monotonic_increasing and first.left.iloc[-1] - first.left.iloc[0] == pytest.approx(18, abs=6)
    # Eq. by hand: the mean moves towards the frame's own figure with 1 - exp(-dt / 0.5).
    for name in ("happiness", "neutral"):
        mean, own = first[f"smoothed_{name}"].to_numpy(), first[f"corrected_{name}"].to_numpy()
        assert mean[0] == pytest.approx(own[0])
        assert mean[1] == pytest.approx(own[1] + np.exp(-0.3 / 0.5) * (mean[0] - own[1]), abs=1e-4)


def test_between_analysed_frames_boxes_move_along(annotated):
    _, frames, _ = annotated
    assert [frame.index for frame in frames] == list(range(7))
    assert [frame.analysed for frame in frames] == [True, False, False, True, False, False, True]
    starts = [frame.faces[0].face.box[0] for frame in frames]
    share = (TIMES[2] - TIMES[0]) / (TIMES[3] - TIMES[0])
    assert starts[2] == pytest.approx(starts[0] + share * (starts[3] - starts[0]), abs=0.01)


def test_the_copy_has_boxes_times_and_sound(annotated, clip, predictor):
    import av

    path, frames, _ = annotated
    pictures, times = read_pictures(path)
    assert times == pytest.approx(TIMES, abs=1e-3)
    colour = np.array([int(class_colours(predictor.labels)["happiness"][i : i + 2], 16) for i in (1, 3, 5)])
    for frame, picture, original in zip(frames, pictures, read_pictures(clip)[0]):
        left, top, _, bottom = frame.faces[0].face.box
        edge = (round((top + bottom) / 2), round(left))
        before, after = (np.abs(pixels[edge].astype(int) - colour).sum() for pixels in (original, picture))
        assert after < 0.6 * before, frame.index  # chroma has half the pixels only
        corner = (slice(0, 10), slice(-10, None))
        assert np.abs(picture[corner].astype(int) - original[corner]).max() < 12  # colours stay what they were
    with av.open(str(path)) as copy, av.open(str(clip)) as container:
        assert copy.streams.video[0].codec_context.name == "h264"
        sound = [packet.size for packet in copy.demux(audio=0) if packet.size]
        whole = [packet.size for packet in container.demux(audio=0)]
        start = whole.index(sound[0])  # AAC begins with a packet before the first frame
        assert len(sound) >= 5 and start <= 1 and sound == whole[start : start + len(sound)]
    assert [file.name for file in path.parent.iterdir() if "partial" in file.name] == []


def test_a_turned_video_is_upright(astronaut, tmp_path, predictor):
    picture = scene(astronaut, 20).transpose(Image.Transpose.ROTATE_90)
    path = write_clip(tmp_path / "turned.mp4", [picture], rotation=-90)
    with VideoReader(path) as video:
        (frame,) = write_annotated(analyse_video(video, predictor), tmp_path / "out.mkv", video)
    assert frame.picture().size == SIZE and len(frame.faces) == 1
    assert read_pictures(tmp_path / "out.mkv")[0][0].shape == (SIZE[1], SIZE[0], 3)


class Counter:
    """A predictor that finds nothing and counts what it is given."""

    def __init__(self):
        self.pictures = 0

    def stream(self, photos, **options):
        from grefel_hf import PhotoPrediction

        for photo in photos:
            self.pictures += 1
            yield PhotoPrediction(None, *photo.size, "hog", [])


def indices(path, **options) -> tuple[list[int], int]:
    """Frames that come out, and how many were analysed."""
    counter = Counter()
    with VideoReader(path) as video:
        return [frame.index for frame in analyse_video(video, counter, **options)], counter.pictures


def test_stride_limits_and_stopping(clip):
    assert indices(clip) == ([0, 1, 2, 3, 4, 5, 6], 7)
    assert indices(clip, stride=3) == ([0, 3, 6], 3)
    assert indices(clip, stride=5, every_frame=True) == ([0, 1, 2, 3, 4, 5, 6], 2)
    assert indices(clip, stride=2, max_frames=2) == ([0, 2], 2)
    assert indices(clip, max_seconds=0.3) == ([0, 1, 2], 3)
    answers = iter([False, False, True])
    assert indices(clip, should_stop=lambda: next(answers)) == ([0, 1], 2)


def test_a_cut_ends_the_timelines(astronaut, tmp_path, predictor):
    pictures = [scene(astronaut, 20), scene(astronaut, 20, background="yellow")]
    path = write_clip(tmp_path / "cut.mp4", pictures)
    with VideoReader(path) as video:
        persons = [[face.person for face in frame.faces] for frame in analyse_video(video, predictor)]
    assert persons == [[1], [2]]


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


def test_an_error_leaves_no_half_a_copy(clip, tmp_path):
    def broken(frames):
        yield next(frames)
        raise KeyError

    with VideoReader(clip) as video, pytest.raises(KeyError):
        list(write_annotated(broken(analyse_video(video, Counter())), tmp_path / "out.mp4", video))
    with VideoReader(clip) as video, pytest.raises(VideoError, match="out.gif must end with .mp4"):
        list(write_annotated(analyse_video(video, Counter()), tmp_path / "out.gif", video))
    assert list(tmp_path.iterdir()) == []


def test_decoders_may_be_freed_in_the_middle_of_a_video(clip):
    """With a level of its own PyAV logs from FFmpeg's threads, which then wait for Python's lock, as their end does."""
    import av

    with VideoReader(clip) as video:
        next(video.frames())
    assert av.logging.get_level() is None
