"""What is seen of one frame of a camera."""

import json
import re
from html import unescape

from space.tabs.live.view import frame_view, waiting_view
from tests.helpers.face_examples import LABELS, distribution, face
from tests.helpers.html import assert_well_formed

SEEN = {1: ([-0.5, 0.0], [distribution()] * 2, [90, 0])}


def test_every_face_has_a_box_over_the_picture_and_the_first_its_figures():
    faces = {2: face(distribution(fear=0.9)), 1: face(distribution(anger=0.9), box=(0.0, 0.0, 20.0, 20.0))}
    html = frame_view(LABELS, (100, 200), faces, SEEN, -20.0, None)
    boxes = json.loads(unescape(re.search('data-boxes="([^"]*)"', html)[1]))
    assert [(box["person"], box["word"]) for box in boxes] == [(2, "fear"), (1, "anger")]
    assert [boxes[0][side] for side in ("left", "top", "width", "height")] == [10, 10, 50, 30]
    assert "Person 2, the largest of 2 faces" in html and html.count("<polygon") == len(LABELS)
    assert_well_formed(html)


def test_a_frame_without_a_face_keeps_the_timeline():
    html = frame_view(LABELS, (100, 100), {}, SEEN, -20.0, 4.0)
    assert "No face in the last picture" in html and "gf-timeline" in html and 'data-boxes="[]"' in html
    assert "4.0 frames a second are analysed" in html
    assert_well_formed(html)


def test_who_waits_is_told_the_place():
    assert "you are number 3 in the queue" in waiting_view(3)
