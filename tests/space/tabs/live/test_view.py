"""What is seen of one frame of a camera."""

from dataclasses import replace

import numpy as np

from space.tabs.live.view import frame_view
from space.timeline import timeline
from tests.helpers.face_examples import LABELS, distribution, face
from tests.helpers.html import assert_well_formed

LINE = timeline(LABELS, [0.0, 0.5], [distribution()] * 2, 0.0, 1.0)


def test_the_crop_of_a_frame_has_no_switches():
    html = frame_view(LABELS, replace(face(distribution(fear=0.9)), attention_map=np.eye(4)), 1, LINE, None)
    assert "data-layer" not in html and "gf-attention" in html
    assert "The only face" in html and html.count("<polygon") == len(LABELS)
    assert_well_formed(html)


def test_a_frame_without_a_face_keeps_the_timeline():
    html = frame_view(LABELS, None, 0, LINE, 4.0)
    assert "No face in the picture" in html and "gf-timeline" in html
    assert "4.0 frames a second are analysed" in html
    assert_well_formed(html)
