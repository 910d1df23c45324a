"""Videos from frames to timelines."""

import numpy as np
import pytest

from grefel_hf.video.analysis import analyse_video, timeline_columns
from grefel_hf.video.reader import VideoReader
from tests.helpers.video_clips import TIMES, Counter, scene, write_clip


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
