"""The figures as HTML: the right numbers in the right places, well formed, and nothing from a model's labels runs."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from grefel_hf.comparison import compare_balancing
from grefel_hf.palette import class_colours
from space import figures
from space.images import attention_uri, jpeg_uri
from space.tabs.about.view import evaluation_view
from space.tabs.photo.face import NO_FACE, faces_view
from space.tabs.photo.view import photo_view
from space.tabs.video.timeline import timeline_figure
from tests.helpers.evaluation_example import EVALUATION
from tests.helpers.evaluation_example import LABELS as THREE
from tests.helpers.face_examples import LABELS, anchors_near, distribution, face, photo

FULL = face(
    distribution(anger=0.41, sadness=0.3),
    anchors_near(sadness=0.8),
    distribution(sadness=0.7),
    attention_map=np.arange(16.0).reshape(4, 4) / 120,
    landmarks=np.full((68, 2), 0.5),
)
PLAIN = face(distribution(happiness=0.7))


class _Balance(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_well_formed(html: str) -> None:
    parser = _Balance()
    parser.feed(html)
    parser.close()
    assert parser.open == []


def cells(html: str) -> list[str]:
    """The figures that a table shows, row by row."""
    return [text.replace("\u00a0", " ") for text in re.findall(r'<span class="gf-number">([^<]*)</span>', html)]


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_bars_show_every_class_in_the_models_order():
    html = figures.distribution_bars(PLAIN, "corrected", size="large")
    assert re.findall(r"</span>(\w+)</th>", html) == list(LABELS)
    assert cells(html)[1] == "70 %"
    assert "--v:0.7000" in html
    assert html.count('<tr class="gf-top">') == 1
    assert_well_formed(html)


def test_four_distributions_have_a_column_each():
    html = figures.four_distributions(FULL)
    assert re.findall(r">(\w+)</th>", html)[:4] == ["Primary", "Geometric", "Attentive", "Corrected"]
    anger = cells(html)[4 * LABELS.index("anger") :][:4]
    assert anger[0] == "41 %"
    assert anger[3] == f"{round(100 * FULL.corrected[LABELS.index('anger')])} %"
    assert_well_formed(html)


def test_columns_that_the_model_lacks_are_left_out():
    anchors_only = face(distribution(anger=0.5), anchors_near(anger=0.9))
    assert "Attentive" not in figures.four_distributions(anchors_only)
    assert "Attentive" not in figures.confidence_table(anchors_only)
    assert figures.anchor_heat_map(PLAIN) == ""


def test_confidences_in_numbers_and_words():
    html = figures.confidence_table(FULL)
    for name, value in FULL.confidences.items():
        assert f'<span class="gf-number">{value:.2f}</span>' in html, name
    assert "unsure" in html
    assert_well_formed(html)


def test_heat_map_frames_the_strongest_anchors_and_sums_rows():
    html = figures.anchor_heat_map(FULL)
    assert html.count("gf-strong") == 3
    assert 'title="sadness anchor 2: 40.0\u00a0%"' in html
    assert html.count("<td class") == 8 * 3 + 8
    assert '<td class="gf-number">80\u00a0%</td>' in html
    assert_well_formed(html)


def test_setups_of_balancing_stand_in_columns():
    setups = compare_balancing(FULL)
    html = figures.setups_table(FULL, setups)
    heads = re.findall(r'<th scope="col">([^<]+)</th>', html)
    assert heads == ["Without balancing", "With anchors only", "With attention only", "With both: the answer"]
    row = cells(html)[4 * LABELS.index("sadness") :][:4]
    assert row == [f"{round(100 * setup.distribution[LABELS.index('sadness')])} %" for setup in setups]
    assert html.count('<td class="gf-top">') == 4
    assert_well_formed(html)


def test_timeline_draws_a_band_per_class_and_leaves_gaps():
    times = [0.0, 0.2, 0.4, 3.0, 3.2]
    shares = [distribution(anger=0.5)] * 5
    html = timeline_figure(LABELS, times, shares, 0.0, 4.0)
    assert html.count("<polygon") == 2 * len(LABELS)  # the person was out of sight for two seconds
    assert "on average anger 50" in html.replace("\u00a0", " ")
    assert re.findall(r">([^<>]*)</span>", html.split("gf-xaxis")[1])[-1] == "4\u00a0s"
    lower, upper = _edges(re.findall(r'points="([^"]+)"', html)[LABELS.index("anger")])
    assert upper - lower == pytest.approx(0.5 * 96, abs=0.2)
    assert_well_formed(html)


def test_an_empty_timeline_is_drawn_too():
    html = timeline_figure(LABELS, [], [], -20.0, 0.0)
    assert "<polygon" not in html and "still empty" in html
    assert "\u221220" in html


def test_what_was_measured_is_shown():
    html = evaluation_view(EVALUATION, THREE)
    text = html.replace("\u00a0", " ")
    assert "80.0 % <small>75.0 % to 85.0 %</small>" in text and "78.0 %" in text
    assert "Balancing changed 5 answers: 3 errors mended, 1 right answers spoilt." in text
    assert "Recognised worst: surprise (40 % of 10)" in text
    assert 'title="surprise answered as neutral: 3 of 10"' in text
    assert html.count("gf-confusion") == 2 and html.count("<rect") == 2
    assert_well_formed(html)


@pytest.mark.parametrize("missing", ["confusion", "reliability_bins", "accuracy", "recall_by_class", "intervals"])
def test_what_was_not_measured_is_left_out(missing):
    part = {key: value for key, value in EVALUATION["plain"]["corrected"].items() if key != missing}
    html = evaluation_view({**EVALUATION, "plain": {"corrected": part}}, THREE)
    assert html and "None" not in html and "nan" not in html
    assert_well_formed(html)


def test_without_an_evaluation_there_is_no_section():
    assert evaluation_view({}, THREE) == ""
    assert "gf-confusion" not in evaluation_view(EVALUATION, LABELS)  # of other classes


def _edges(points: str) -> tuple[float, float]:
    """The lowest and the highest y of a polygon."""
    heights = [float(point.split(",")[1]) for point in points.split()]
    return min(heights), max(heights)


def test_crop_has_a_switch_for_each_layer_that_exists():
    assert re.findall(r'data-layer="(\w+)"', figures.crop_figure(FULL, 1)) == ["attention", "landmarks"]
    assert figures.crop_figure(FULL, 1).count("left:50.00%;top:50.00%") == 68
    assert "data-layer" not in figures.crop_figure(PLAIN, 1)
    without = figures.crop_figure(FULL, 1, switches=False)
    assert "data-layer" not in without and "gf-attention" in without


def test_attention_picture_is_brightest_where_attention_is():
    attention = np.zeros((4, 4))
    attention[0, 3] = 0.2
    picture = np.asarray(decode(attention_uri(attention)))
    assert picture[2, -3, 3] > picture[-3, 2, 3]
    assert picture[2, -3, :3].sum() > picture[-3, 2, :3].sum()


def test_constant_attention_is_clear():
    assert np.asarray(decode(attention_uri(np.full((4, 4), 0.1))))[..., 3].max() == 0


def test_pictures_are_reduced_and_keep_their_shape():
    assert decode(jpeg_uri(Image.new("RGB", (400, 200)), 100)).size == (100, 50)
    assert decode(jpeg_uri(Image.new("RGB", (40, 20)), 100)).size == (40, 20)


def test_photo_view_places_boxes_in_per_cent_and_cuts_them_at_the_edge():
    beyond = replace(FULL, box=(-20.0, 50.0, 100.0, 150.0))
    html = photo_view(Image.new("RGB", (200, 100)), photo(FULL, beyond))
    assert "left:5.00%;top:20.00%;width:25.00%;height:60.00%" in html
    assert "left:0.00%;top:50.00%;width:50.00%;height:50.00%" in html
    assert html.count('class="gf-box"') == html.count('class="gf-entry"') == 2
    assert html.count('aria-pressed="true"') == 2  # the first face, on the photo and in the strip
    assert_well_formed(html)


def test_one_face_needs_no_strip():
    assert "gf-strip" not in photo_view(Image.new("RGB", (200, 100)), photo(FULL))


def test_only_the_first_face_is_shown():
    html = faces_view(photo(FULL, PLAIN))
    assert html.count("<article") == 2
    assert re.findall(r'data-panel="(\d)"[^>]*?( hidden)?>', html) == [("1", ""), ("2", " hidden")]
    assert_well_formed(html)


def test_no_face_is_a_friendly_state():
    assert faces_view(photo()) == NO_FACE
    assert_well_formed(NO_FACE)


def test_a_model_without_balancing_shows_one_distribution():
    html = faces_view(photo(PLAIN))
    assert "neither anchors nor attentive correction" in html
    assert "gf-four" not in html and "gf-heat" not in html
    assert_well_formed(html)


def test_labels_are_escaped():
    labels = tuple(f"<img src=x onerror=alert({i})>" for i in range(8))
    hostile = replace(FULL, labels=labels)
    html = photo_view(Image.new("RGB", (200, 100)), photo(hostile, hostile)) + faces_view(photo(hostile))
    assert "<img src=x" not in html
    assert_well_formed(html)


def test_class_colours_are_fixed_and_distinct():
    colours = class_colours(LABELS)
    assert len(set(colours.values())) == 8
    assert class_colours(("happy", "sad"))["happy"] == colours["happiness"]
    assert class_colours(tuple(reversed(LABELS))) == colours


@pytest.mark.parametrize("count", [3, 8, 12])
def test_unknown_classes_get_colours_too(count):
    labels = tuple(f"class {i}" for i in range(count))
    colours = class_colours(labels)
    assert set(colours) == set(labels)
    assert len(set(colours.values())) == min(count, 8)
