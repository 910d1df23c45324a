"""The switches of Table 2 at prediction time: as the model itself answers with those switches."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.comparison import compare_balancing
from grefel_hf.faces.detection import NoDetector
from tests.helpers.face_examples import anchors_near, distribution, face
from tests.helpers.tiny import tiny_config


@pytest.fixture(scope="module")
def full_model() -> GReFELForImageClassification:
    """Random weights whose three branches differ: with the initial ones all are nearly uniform."""
    torch.manual_seed(0)
    model = GReFELForImageClassification(tiny_config())
    with torch.no_grad():
        for layer in (model.primary_head.output, model.attentive_correction.classifier):
            layer.weight.normal_()
    return model


def predict(model: GReFELForImageClassification):
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    return FacialExpressionPredictor(model, processor, NoDetector())(picture).faces[0]


def test_each_setup_is_the_answer_of_a_model_with_those_switches(full_model):
    setups = compare_balancing(predict(full_model))
    assert [(setup.use_anchors, setup.use_attentive_correction) for setup in setups] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
    assert len({round(setup.score, 4) for setup in setups}) == 4
    for setup in setups:
        switches = dict(use_anchors=setup.use_anchors, use_attentive_correction=setup.use_attentive_correction)
        model = GReFELForImageClassification(tiny_config(**switches))
        missing = model.load_state_dict(full_model.state_dict(), strict=False).missing_keys
        assert missing == []
        expected = predict(model)
        np.testing.assert_allclose(setup.distribution, expected.corrected, atol=1e-6)
        assert setup.confidence == pytest.approx(expected.confidences["corrected"], abs=1e-5)
        assert (setup.label, setup.score) == (expected.label, pytest.approx(expected.score, abs=1e-6))


def test_parts_that_the_model_lacks_have_no_setups():
    assert len(compare_balancing(face(distribution(anger=0.5)))) == 1
    anchors_only = compare_balancing(face(distribution(anger=0.5), anchors_near(fear=0.9)))
    assert [setup.use_anchors for setup in anchors_only] == [False, True]
    attention_only = compare_balancing(face(distribution(anger=0.5), None, distribution(fear=0.9)))
    assert [setup.use_attentive_correction for setup in attention_only] == [False, True]


def test_setups_are_plain_values():
    setup = compare_balancing(face(distribution(anger=0.5)))[0]
    assert json.loads(json.dumps(setup.to_dict()))["distribution"]["anger"] == pytest.approx(0.5)
