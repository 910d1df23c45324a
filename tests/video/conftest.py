"""A clip of two persons, and its annotated copy."""

import pytest

from grefel_hf.video.analysis import analyse_video, timelines
from grefel_hf.video.reader import VideoReader
from grefel_hf.video.writer import write_annotated
from tests.helpers.video_clips import LEFTS, TIMES, scene, write_clip


@pytest.fixture(scope="session")
def clip(astronaut, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return write_clip(path, [scene(astronaut, *lefts) for lefts in LEFTS], TIMES, sound=True)


@pytest.fixture(scope="session")
def annotated(clip, predictor):
    """The copy, its frames and the table of the clip's every third frame."""
    path = clip.with_name("annotated.mp4")
    with VideoReader(clip) as video:
        frames = analyse_video(video, predictor, stride=3, smoothing=0.5, every_frame=True)
        frames = list(write_annotated(frames, path, video))
    assert video.problem is None
    return path, frames, timelines(frames)
