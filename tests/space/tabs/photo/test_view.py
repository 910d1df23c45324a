"""Photo and faces: the right numbers in the right places, well formed."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
from PIL import Image

from grefel_hf.comparison import compare_balancing
from space.tabs.photo.view import faces_view, photo_view
from tests.helpers.face_examples import LABELS, anchors_near, distribution, face, photo
from tests.helpers.html import assert_well_formed, cells, section

FULL = face(
    distribution(anger=0.41, sadness=0.3),
    anchors_near(sadness=0.8),
    distribution(sadness=0.7),
    attention_map=np.arange(16.0).reshape(4, 4) / 120,
    landmarks=np.full((68, 2), 0.5),
)

PLAIN = face(distribution(happiness=0.7))


def panel(*faces, number: int = 1) -> str:
    """The HTML of one face's panel, which a template of `faces_view` holds as text."""
    return unescape(re.findall(r"<pre hidden[^>]*>(.*?)</pre>", faces_view(photo(*faces)), re.DOTALL)[number - 1])


def test_bars_show_every_class_in_the_models_order():
    html = re.search(r"<table class=\"gf-bars gf-large\">.*?</table>", panel(PLAIN), re.DOTALL)[0]
    assert re.findall(r"</span>(\w+)</th>", html) == list(LABELS)
    assert cells(html)[1] == "70 %"
    assert "--v:0.7000" in html
    assert html.count('<tr class="gf-top">') == 1
    assert_well_formed(html)


def test_four_distributions_have_a_column_each():
    html = section(panel(FULL), "All distributions on one scale")
    assert re.findall(r">(\w+)</span><span class=.gf-tip", html) == ["Primary", "Geometric", "Attentive", "Corrected"]
    anger = cells(html)[4 * LABELS.index("anger") :][:4]
    assert anger[0] == "41 %"
    assert anger[3] == f"{round(100 * FULL.corrected[LABELS.index('anger')])} %"
    assert_well_formed(html)


def test_columns_that_the_model_lacks_are_left_out():
    anchors_only = face(distribution(anger=0.5), anchors_near(anger=0.9))
    assert "Attentive" not in panel(anchors_only)
    attention_only = face(distribution(anger=0.5), None, distribution(anger=0.9))
    assert "Similarity to the anchors" not in panel(attention_only)


def test_confidences_in_numbers_and_words():
    html = section(panel(FULL), "How sure each part is")
    for name, value in FULL.confidences.items():
        assert f'<span class="gf-number">{value:.2f}</span>' in html, name
    assert "unsure" in html
    assert_well_formed(html)


def test_heat_map_frames_the_strongest_anchors_and_sums_rows():
    html = section(panel(FULL), "Similarity to the anchors")
    assert html.count("gf-strong") == 3
    assert 'title="sadness anchor 1: 40.0\u00a0%"' in html
    assert html.count("<td class") == 8 * 3 + 8
    assert '<td class="gf-number">80\u00a0%</td>' in html
    assert_well_formed(html)


def test_setups_of_balancing_stand_in_columns():
    setups = compare_balancing(FULL)
    html = section(panel(FULL), "With and without balancing")
    heads = re.findall(r'<th scope="col">([^<]+)</th>', html)
    assert heads == ["Without balancing", "With anchors only", "With attention only", "With both: the answer"]
    row = cells(html)[4 * LABELS.index("sadness") :][:4]
    assert row == [f"{round(100 * setup.distribution[LABELS.index('sadness')])} %" for setup in setups]
    assert html.count('<td class="gf-top">') == 4
    assert_well_formed(html)


def test_crop_has_a_switch_for_each_layer_that_exists():
    assert re.findall(r'data-layer="(\w+)"', panel(FULL)) == ["attention", "landmarks"]
    assert panel(FULL).count("left:50.00%;top:50.00%") == 68
    assert "data-layer" not in panel(PLAIN)


def test_photo_view_places_boxes_in_per_cent_and_cuts_them_at_the_edge():
    beyond = replace(FULL, box=(-20.0, 50.0, 100.0, 150.0))
    html = photo_view(Image.new("RGB", (200, 100)), photo(FULL, beyond))
    assert "left:5.00%;top:20.00%;width:25.00%;height:60.00%" in html
    assert "left:0.00%;top:50.00%;width:50.00%;height:50.00%" in html
    assert html.count('class="gf-box"') == html.count('class="gf-entry"') == 2
    assert html.count('aria-pressed="true"') == 2  # the first face, on the photo and in the strip
    assert_well_formed(html)


def test_the_first_face_with_an_answer_is_chosen():
    unanswered = replace(PLAIN, is_answered=False)
    html = photo_view(Image.new("RGB", (200, 100)), photo(unanswered, FULL))
    assert set(re.findall(r'data-face="(\d)" aria-pressed="true"', html)) == {"2"}
    assert "Face 2 of 2" in faces_view(photo(unanswered, FULL)).partition("<pre")[0]
    assert "Face 1 of 2" in faces_view(photo(unanswered, unanswered)).partition("<pre")[0]


def test_one_face_needs_no_strip():
    assert "gf-strip" not in photo_view(Image.new("RGB", (200, 100)), photo(FULL))


def test_only_the_first_face_is_drawn():
    html = faces_view(photo(FULL, PLAIN))
    assert html.count("<article") == 1 and 'data-panel="1"' in html
    assert 'data-panel="2"' in panel(FULL, PLAIN, number=2)
    for text in (html, panel(FULL), panel(FULL, PLAIN, number=2)):
        assert_well_formed(text)


def test_the_reasons_open_by_themselves_where_the_parts_disagree():
    assert '<details class="gf-why" open>' in panel(FULL)
    assert '<details class="gf-why">' in panel(face(distribution(anger=0.8), anchors_near(anger=0.9)))


def test_an_answer_that_cannot_be_told_says_so_on_the_photo_too():
    unclear = face(distribution(fear=0.2))
    assert "cannot tell</h2>" in panel(unclear) and "the nearest guess is fear" in panel(unclear)
    assert "<i>cannot tell</i>" in photo_view(Image.new("RGB", (200, 100)), photo(unclear))


def test_words_stay_inside_of_the_photo():
    html = photo_view(Image.new("RGB", (200, 100)), photo(FULL, replace(FULL, box=(150.0, 2.0, 190.0, 40.0))))
    assert re.findall(r'<span class="([^"]*)">\d', html) == ["", "gf-inside gf-leftwards"]


def test_no_face_is_a_friendly_state():
    html = faces_view(photo())
    assert "No face found in this photo" in html
    assert_well_formed(html)
    assert "80 pixels" in faces_view(replace(photo(), detector="hog"))
    assert "20 pixels" in faces_view(replace(photo(), detector="yunet"))


def test_a_model_without_balancing_shows_one_distribution():
    html = panel(PLAIN)
    assert "neither anchors nor attentive correction" in html
    assert "gf-four" not in html and "gf-heat" not in html
    assert_well_formed(html)
