"""Videos that are none, too long or too large, and an analysis that is cancelled."""

import base64
import io

import gradio as gr
import pytest
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.video.analysis import TrackedFace, VideoFrame
from space.tabs.video.handlers import Analysis, VideoHandlers, add_frame
from space.tabs.video.view import analysis_view
from tests.helpers.face_examples import LABELS, distribution, face
from tests.helpers.tiny import FILE_DATA, tiny_endpoint
from tests.helpers.video_clips import scene, write_clip, write_sound


def seen(number: int, size: float = 50.0, answerability: float | None = None, red: int = 0) -> TrackedFace:
    crop = Image.new("RGB", (8, 8), (red, 0, 0))
    picture = face(distribution(fear=0.9), box=(0, 0, size, size), crop=crop, answerability=answerability)
    return TrackedFace(number, picture, distribution())


def redness(uri: str) -> int:
    """Of the middle of a picture in a data URI."""
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).getpixel((4, 4))[0]


def analysis_of(*frames: list[TrackedFace]) -> Analysis:
    """An analysis of frames with these faces, five a second."""
    analysis = Analysis(total=len(frames))
    for index, faces in enumerate(frames):
        add_frame(analysis, VideoFrame(index, index / 5, LABELS, faces, True, Image.new))
    return analysis


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "not a video that can be read"),
        ("text.mp4", "not a video that can be read"),
        ("photo.mp4", "a photo, not a video"),
        ("sound.mp4", "sound only"),
        ("no_index.mp4", "not a video that can be read"),
        ("playlist.mp4", "not a video that can be read"),
    ],
)
def test_bad_videos_are_refused_in_one_sentence(tiny_app, astronaut, tmp_path, name, reason):
    file = tmp_path / name
    if name == "sound.mp4":
        write_sound(file)
    elif name == "photo.mp4":
        astronaut.save(file, "jpeg")
    elif name == "no_index.mp4":
        whole = write_clip(file, [scene(astronaut, 20)] * 10).read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    else:
        secret = str(tiny_app.log)
        content = {"empty": "", "text": "no video", "playlist": f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n"}
        file.write_text(content[file.stem])
    printed = len(tiny_app.log.read_text())  # by other tests
    event, message = tiny_endpoint(tiny_app, "video", [{"path": tiny_app.upload(file), **FILE_DATA}, 0])
    assert event == "error" and reason in message, message
    assert str(tiny_app.temporary) not in message and "Traceback" not in tiny_app.log.read_text()[printed:]


def test_a_long_video_is_cut_and_says_so(tiny_video_handlers, uploaded, monkeypatch):
    monkeypatch.setattr("space.limits.MAX_VIDEO_SECONDS", 1)
    *_, analysis = tiny_video_handlers.analyse(uploaded, 0.0)
    assert analysis.cut and 0 < analysis.end < 1 and analysis.total == 10
    view = analysis_view(analysis, ("neutral", "happiness", "surprise"))
    assert "The first 1 seconds were analysed, which is the limit." in view
    assert "1 person in 0." in view and "Person 1" in view


def test_a_large_video_is_refused_with_the_limit(tiny_video_handlers, uploaded, monkeypatch):
    monkeypatch.setattr("space.limits.MAX_VIDEO_SIDE", 100)
    with pytest.raises(gr.Error, match="the limit is 0.01 megapixels"):
        list(tiny_video_handlers.analyse(uploaded, 0.0))


def test_a_cancelled_analysis_leaves_no_file(tiny_video_handlers, uploaded, tmp_path, monkeypatch):
    monkeypatch.setattr("space.tabs.video.handlers.SECONDS_BETWEEN_REPORTS", 0.0)
    reports = tiny_video_handlers.analyse(uploaded, 0.0)
    next(reports)
    assert len(list(tmp_path.iterdir())) == 2  # the clip and the folder for its copy
    reports.close()
    assert [path.name for path in tmp_path.rglob("*")] == ["clip.mp4"]


def test_short_appearances_are_dropped_and_the_largest_face_stands_for_a_person():
    frames = [[seen(1, 200.0, red=200) if index == 4 else seen(1, red=50)] for index in range(10)]
    for early in frames[:2]:
        early.append(seen(2, 10.0))
    analysis = analysis_of(*frames)
    assert list(analysis.persons) == [1, 2] and list(analysis.shown()) == [1]
    assert redness(analysis.persons[1].picture) == pytest.approx(200, abs=5)
    view = analysis_view(analysis, LABELS)
    assert "1 person in 1.8 seconds" in view and "1 short appearance of less than half a second" in view


def test_nobody_gives_a_table_with_its_columns():
    analysis = Analysis(total=1)
    add_frame(analysis, VideoFrame(0, 0.0, LABELS, [], True, Image.new))
    header, *rows = analysis.csv().splitlines()
    assert header.startswith("frame,time,person,") and f"corrected_{LABELS[-1]}" in header and not rows


def test_work_has_an_end_and_the_page_says_so(tiny_video_handlers, uploaded, monkeypatch):
    monkeypatch.setattr("space.limits.MAX_VIDEO_WORK_SECONDS", 0)
    (analysis,) = tiny_video_handlers.analyse(uploaded, 0.0)
    assert analysis.spent and not analysis.persons
    assert "ended after 0 seconds of work, which is the limit" in analysis_view(analysis, LABELS)


@pytest.mark.parametrize("smoothing", [-1, 6, "much", None, float("nan")])
def test_smoothing_has_limits(tiny_video_handlers, uploaded, smoothing):
    with pytest.raises(gr.Error, match="from 0 to 5"):
        next(tiny_video_handlers.analyse(uploaded, smoothing))


@pytest.fixture
def tiny_video_handlers(tiny_checkpoint) -> VideoHandlers:
    return VideoHandlers(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))


@pytest.fixture
def uploaded(astronaut, tmp_path, monkeypatch) -> dict:
    """A clip of 1.5 seconds among the uploads, as the page names it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return {"path": str(write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20)] * 15))}


def test_people_who_were_seen_at_once_are_people_and_others_are_tracks():
    together = analysis_view(analysis_of(*[[seen(1), seen(2)]] * 5), LABELS)
    assert "2 people in 0.8 seconds." in together and "Person 2" in together and "second track" not in together
    apart = analysis_view(analysis_of(*[[seen(1), seen(2)]] * 5, *[[seen(3)]] * 5), LABELS)
    assert "3 tracks in 1.8 seconds, of at least 2 people" in apart and "Track 3" in apart and "Person" not in apart
    assert "not by who they are" in apart


def test_a_smaller_face_that_can_be_read_stands_for_a_person_before_a_large_blur():
    frames = [[seen(1, 100.0, 0.2, red=90)], [seen(1, 60.0, 0.9, red=200)], [seen(1, 50.0, 0.9, red=90)]]
    assert redness(analysis_of(*frames).persons[1].picture) == pytest.approx(200, abs=5)
