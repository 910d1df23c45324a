"""Covered parts and the map of the anchors: the right numbers in the right places, well formed."""

import re

import numpy as np
import pytest
from PIL import Image

from grefel_hf.occlusion import THIRDS, Occlusion
from space.figures import crop
from space.rendering import render
from space.tabs.photo.handlers import PhotoHandlers
from space.tabs.photo.reasons import RIM, _hides_a_face, anchor_map, covered_view, requested_crop
from space.tabs.photo.view import faces_view
from tests.helpers.face_examples import LABELS, anchors_near, distribution, explanation, face, photo
from tests.helpers.html import assert_well_formed
from tests.space.tabs.live.test_handlers import uri

LIKE_FEAR = face(distribution(fear=0.9), anchors_near(fear=0.9), explanation=explanation())


def test_what_was_covered_is_told_in_numbers():
    before, after = distribution(happiness=0.57, sadness=0.2), distribution(happiness=0.2, sadness=0.5)
    parts = [Occlusion("mouth", (0.25, 0.5, 0.75, 1.0), LABELS, before, after)]
    parts.append(Occlusion("eyes", (0.0, 0.0, 1.0, 0.5), LABELS, before, before))
    html = covered_view(7, Image.new("RGB", (64, 64)), parts)
    assert "With the mouth covered: happiness 57\u00a0% to 20\u00a0%, then sadness." in html
    assert 'data-asked="7"' in html and "left:25.0%;top:50.0%;width:50.0%;height:50.0%" in html
    assert "without mouth<small>then sadness</small>" in html and "without eyes</th>" in html
    assert re.findall("--v:([0-9.]+)", html) == ["0.5700", "0.2000", "0.5700"]
    assert_well_formed(html)


def test_where_no_part_matters_that_is_said():
    same = [Occlusion("nose", (0.0, 0.0, 1.0, 1.0), LABELS, distribution(fear=0.9), distribution(fear=0.88))]
    assert "No part alone is needed for fear" in covered_view(1, Image.new("RGB", (64, 64)), same)


@pytest.mark.parametrize("landmarks", ["text", [[0.5, 0.5]], [[float("nan")] * 2] * 68, [[99.0, 0.0]] * 68, {"a": 1}])
def test_what_is_no_crop_with_landmarks_is_refused(landmarks, astronaut):
    with pytest.raises((ValueError, TypeError)):
        requested_crop({"crop": uri(astronaut), "landmarks": landmarks})
    with pytest.raises(ValueError, match="frame"):
        requested_crop({"crop": "data:image/png;base64,!!!"})


def test_the_page_covers_a_face_that_it_shows(predictor, astronaut):
    handlers = PhotoHandlers(predictor)
    crop = predictor(astronaut).faces[0].crop
    html = handlers.cover({"crop": uri(crop), "landmarks": None, "asked": 3})
    assert [name in html for name in THIRDS] == [True] * 3 and 'data-asked="3"' in html
    assert "load the photo again" in handlers.cover({"crop": "nonsense", "asked": "<b>"})
    assert "<b>" not in handlers.cover({"asked": "<b>"})


def test_the_face_that_is_covered_is_the_one_that_was_answered(predictor, astronaut):
    """The crop goes to the page and comes back; encoded with losses its answer was another by a point."""
    answered = predictor(astronaut).faces[0]
    returned, landmarks = requested_crop({"crop": crop(answered).picture, "landmarks": None})
    assert np.array_equal(np.asarray(returned), np.asarray(answered.crop))
    assert predictor.occlusions(returned, landmarks)[0].scores[0] == pytest.approx(answered.score, abs=1e-6)


def test_the_face_lies_near_its_anchors_and_the_nearest_come_first():
    shown = anchor_map([LIKE_FEAR], 1)
    assert [anchor["name"] for anchor in shown["anchors"][:3]] == ["fear 1", "fear 2", "fear 0"]
    assert [anchor["rank"] for anchor in shown["anchors"][:4]] == [1, 2, 3, None]
    mine, nearest = shown["faces"][0], shown["anchors"][0]
    assert abs(mine["left"] - nearest["left"]) + abs(mine["top"] - nearest["top"]) < 10
    assert nearest["words"].startswith("fear 1: 45.0\u00a0% of this face’s similarity, the nearest of 24.")
    assert "people called those fear 100\u00a0%" in nearest["words"]
    assert "Hardly any of 100 measured faces was near it." in shown["anchors"][1]["words"]
    assert [name["label"] for name in shown["names"]] == list(LABELS)
    assert "8 of 24 anchors" in shown["sentence"] and "90 in 100" in shown["sentence"]


def test_a_name_gives_way_to_the_mark_of_a_face_below_its_anchor():
    shown = anchor_map([LIKE_FEAR], 1)
    nearest = next(name for name in shown["names"] if name["label"] == "fear")
    mine = shown["faces"][0]
    below = 0 < mine["top"] - nearest["top"] < 10 and abs(mine["left"] - nearest["left"]) < 12
    assert nearest["above"] == below
    places = np.array([[0.0, 0.5]])
    assert [_hides_a_face(np.array(place), places) for place in ([0, 0.6], [0, 0.4], [0.5, 0.6], [0, 0.8])] == [
        True, False, False, False,
    ]  # fmt: skip


def test_anchors_outside_of_the_used_ones_stay_within_the_rim():
    for anchor in anchor_map([LIKE_FEAR], 1)["anchors"]:
        assert np.hypot(anchor["left"] - 50, anchor["top"] - 50) <= 50 * RIM + 1e-6


def test_faces_of_a_photo_are_on_one_map():
    other = face(distribution(anger=0.9), anchors_near(anger=0.9), explanation=explanation())
    shown = anchor_map([LIKE_FEAR, other], 2)
    assert [(entry["number"], entry["chosen"]) for entry in shown["faces"]] == [(2, True), (1, False)]
    beside = shown["faces"][1]
    assert beside["words"].startswith("Face 1. Nearest: fear\u00a01 (45.0\u00a0%)")
    anchors = {anchor["name"]: anchor for anchor in shown["anchors"]}
    for place, name in zip(beside["nearest"], ("fear 1", "fear 2", "fear 0")):
        assert place == pytest.approx([anchors[name]["left"], anchors[name]["top"]], abs=0.01)
    html = render("photo/anchor_map", map=shown)
    assert html.count("aria-pressed") == 24 + 1 and html.count('tabindex="0"') == 1
    assert_well_formed(html)


def test_marks_of_faces_that_are_alike_cover_neither_each_other_nor_an_anchor():
    """Of one person's two faces only the later could be clicked."""
    drawn = anchor_map([LIKE_FEAR] * 5, 3)
    shown, used = drawn["faces"], [anchor for anchor in drawn["anchors"] if anchor["used"]]
    assert shown[0]["number"] == 3 and shown[0]["left"] == anchor_map([LIKE_FEAR], 1)["faces"][0]["left"]
    for index, face_mark in enumerate(shown[1:], start=1):
        for other in [*shown[:index], *used]:
            assert max(abs(face_mark[side] - other[side]) for side in ("left", "top")) > 7  # 24 of 326 pixels


def test_without_an_explanation_the_page_has_neither_map_nor_comparison():
    plain = face(distribution(fear=0.9), anchors_near(fear=0.9), attention_map=np.full((3, 3), 1 / 9))
    html = faces_view(photo(plain))
    assert "gf-anchor-map" not in html and "Compared with" not in html and "bright: more" in html


def test_attention_is_compared_with_the_average_face():
    attention = np.full((3, 3), 0.05)
    attention[2, 1] = 0.6
    seen = face(distribution(fear=0.9), None, distribution(), attention_map=attention, explanation=explanation())
    html = faces_view(photo(seen))
    assert "it looked more at the lower middle (60\u00a0% of the attention, usually 6\u00a0%)" in html
    assert "less at the middle (5\u00a0% of the attention, usually 50\u00a0%)" in html
    assert "orange: more than usual" in html
