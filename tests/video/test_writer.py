"""The annotated copy: boxes, texts, times and sound."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf.palette import class_colours
from grefel_hf.video.analysis import analyse_video
from grefel_hf.video.decoder import VideoError
from grefel_hf.video.reader import VideoReader
from grefel_hf.video.writer import free_place, write_annotated
from tests.helpers.video_clips import SIZE, TIMES, Counter, read_pictures, scene, write_clip


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
        sound, whole = (
            [
                (round(float(packet.pts * packet.time_base), 3), packet.size)
                for packet in file.demux(audio=0)
                if packet.size
            ]
            for file in (copy, container)
        )
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


def test_an_error_leaves_no_half_a_copy(clip, tmp_path):
    def broken(frames):
        yield next(frames)
        raise KeyError

    with VideoReader(clip) as video, pytest.raises(KeyError):
        list(write_annotated(broken(analyse_video(video, Counter())), tmp_path / "out.mp4", video))
    with VideoReader(clip) as video, pytest.raises(VideoError, match="out.gif must end with .mp4"):
        list(write_annotated(analyse_video(video, Counter()), tmp_path / "out.gif", video))
    assert list(tmp_path.iterdir()) == []
