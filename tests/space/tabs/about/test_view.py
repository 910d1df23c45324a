"""What was measured is shown, and what was not is left out."""

import pytest

from space.page import presentable
from space.tabs.about.view import about_view, evaluation_view
from tests.helpers.evaluation_example import EVALUATION
from tests.helpers.evaluation_example import LABELS as THREE
from tests.helpers.face_examples import LABELS
from tests.helpers.html import assert_well_formed


def test_what_was_measured_is_shown():
    html = evaluation_view(EVALUATION, THREE)
    text = html.replace("\u00a0", " ")
    assert "80.0 % <small>75.0 % to 85.0 %</small>" in text and "78.0 %" in text
    assert "Balancing changed 5 answers: 3 errors mended, 1 right answer spoilt." in text
    assert "Recognised worst: surprise (40 % of 10)" in text
    assert 'title="surprise answered as neutral: 3 of 10"' in text
    assert html.count("gf-confusion") == 2 and html.count("<rect") == 2
    assert_well_formed(html)


@pytest.mark.parametrize("fewer", [0, 10])
def test_figures_without_copies_stand_beside_the_others_where_there_are_copies(fewer):
    plain = EVALUATION["plain"]
    left = plain["corrected"]["samples"] - fewer
    distinct = {part: {"samples": left, "accuracy": 0.712, "macro_recall": 0.634} for part in ("primary", "corrected")}
    html = evaluation_view({**EVALUATION, "plain": {**plain, "without_duplicates": distinct}}, THREE)
    assert html.count(f"on the {left:,} images that repeat no other one") == (2 if fewer else 0)
    assert ("71.2" in html and "63.4" in html) == bool(fewer)
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


@pytest.mark.parametrize(
    "figures",
    [
        {"accuracy": "<script>"},
        {"accuracy": {}},
        {"confusion": [1, 2, 3]},
        {"confidence_thresholds": [1]},
        {"confidence_thresholds": [{"threshold": "high"}]},
        {"intervals": {"accuracy": 5}},
        {"reliability_bins": "many"},
    ],
)
def test_an_evaluation_of_another_shape_is_not_shown(figures):
    """A stranger's checkpoint must not keep the page from starting."""
    odd = {**EVALUATION, "plain": {"corrected": EVALUATION["plain"]["corrected"] | figures}}
    assert presentable(odd, THREE) == {}
    assert presentable(EVALUATION, THREE) == EVALUATION


def test_a_model_without_an_evaluation_is_said_not_to_be_measured():
    html = about_view({}, THREE, "somebody/model")
    assert "Not measured: no evaluation comes with this model" in html and "the model somebody/model" in html
    assert "Not measured" not in about_view(EVALUATION, THREE, "somebody/model")
    assert "from_pretrained(&#39;somebody/model&#39;)" in html
    assert "from_pretrained(&#39;path/to/mine&#39;)" in about_view({}, THREE, "mine")
