"""explanation.json: the average face, and that no other file passes for it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from grefel_hf import FacialExpressionPredictor
from grefel_hf.explanation import from_dict, load_explanation, write_explanation
from tests.helpers.face_examples import LABELS, anchors_near, distribution, explanation, face


def test_a_face_lies_at_the_mean_of_the_anchors_that_it_resembles():
    usual = explanation()
    alone = np.zeros((8, 3))
    alone[1, 2] = 1.0
    assert usual.anchors.place(alone) == pytest.approx(usual.anchors.places[1, 2])
    alone[1, 2], alone[4, 0] = 0.25, 0.75
    expected = 0.25 * usual.anchors.places[1, 2] + 0.75 * usual.anchors.places[4, 0]
    assert face(distribution(), alone, explanation=usual).anchor_place == pytest.approx(expected)


def test_attention_is_told_from_the_average_faces():
    attention = np.full((3, 3), 1 / 9)
    seen = face(distribution(), None, distribution(), attention_map=attention, explanation=explanation())
    assert seen.attention_difference == pytest.approx(attention - explanation().attention)
    assert seen.to_dict()["attention_difference"][1][1] == pytest.approx(1 / 9 - 0.5)


def test_without_the_file_or_the_part_there_is_nothing_to_tell():
    plain = face(distribution(), anchors_near(fear=0.9), attention_map=np.ones((3, 3)) / 9)
    assert plain.attention_difference is None and plain.anchor_place is None
    no_parts = face(distribution(), explanation=replace(explanation(), attention=None, anchors=None))
    assert no_parts.attention_difference is None and no_parts.anchor_place is None
    assert no_parts.to_dict()["anchor_place"] is None


def test_a_file_says_what_was_written(tiny_checkpoint, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((tiny_checkpoint / "model.safetensors").read_bytes())
    assert load_explanation(tmp_path, LABELS) is None
    write_explanation(tmp_path, explanation())
    found = load_explanation(tmp_path, LABELS)
    assert found.to_dict() == explanation().to_dict() and found.faces == 100
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert load_explanation(tmp_path, LABELS) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"faces": 0},
        {"attention": [[0.5, 0.5]]},
        {"anchors": {}},
        {"anchors": explanation().to_dict()["anchors"] | {"agreement": -1}},
        {"anchors": explanation().to_dict()["anchors"] | {"places": [[[2.0, 0.0]] * 3] * 8}},
        {"labels": ["happiness"]},
    ],
)
def test_what_is_no_explanation_is_refused(change):
    with pytest.raises((ValueError, KeyError)):
        from_dict(explanation().to_dict() | change)


def test_the_bundled_checkpoint_has_one_of_its_own_weights(predictor):
    usual = predictor.explanation
    assert usual is not None, "train/fit_explanation.py makes it anew"
    assert 0.5 < usual.attention.sum() <= 1 and usual.anchors.use.sum() == pytest.approx(1, abs=1e-3)
    assert usual.anchors.agreement > 0.8


def test_a_broken_file_is_told_in_a_sentence(tiny_checkpoint, tmp_path):
    for file in tiny_checkpoint.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "explanation.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(ValueError, match="explanation.json cannot be used: it has no 'labels'"):
        FacialExpressionPredictor.from_pretrained(str(tmp_path), detector="hog", runtime="torch")
