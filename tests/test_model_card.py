"""The bundled checkpoint's card says what was measured on these very weights."""

import json

import pytest
from conftest import REPOSITORY

from grefel_hf.predictor import BUNDLED_CHECKPOINT
from model_card import model_card, percent


def read(name: str) -> dict:
    return json.loads((BUNDLED_CHECKPOINT / name).read_text())


def test_the_card_is_the_generated_one():
    text = model_card(BUNDLED_CHECKPOINT, read("evaluation.json"), read("all_results.json"))
    assert (BUNDLED_CHECKPOINT / "README.md").read_text() == text


def test_the_readme_has_the_cards_accuracy():
    corrected = read("evaluation.json")["plain"]["corrected"]
    assert corrected["accuracy"] >= 0.87
    readme = (REPOSITORY / "README.md").read_text()
    assert percent(corrected["accuracy"]) in readme
    assert f"{corrected['expected_calibration_error']:.3f}" in readme


def test_figures_of_other_weights_are_refused():
    metrics = {**read("evaluation.json"), "weights_sha256": "0" * 64}
    with pytest.raises(ValueError, match="evaluate.py"):
        model_card(BUNDLED_CHECKPOINT, metrics, None)
