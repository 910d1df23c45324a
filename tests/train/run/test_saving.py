"""What a saved model says of itself."""

import json

import pytest
import torch

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_train.run.saving import save_model
from tests.helpers.tiny import tiny_config


def test_the_config_has_the_temperature_that_was_learned(tmp_path):
    model = GReFELForImageClassification(tiny_config(learn_anchor_temperature=True, anchor_temperature=0.13))
    torch.nn.init.constant_(model.anchors.log_temperature, -3.0)
    save_model(model, GReFELImageProcessor(), tmp_path / "best")
    noted = json.loads((tmp_path / "best" / "config.json").read_text())["anchor_temperature"]
    loaded = GReFELForImageClassification.from_pretrained(tmp_path / "best")
    assert noted == pytest.approx(loaded.anchors.temperature.item(), rel=1e-4) == pytest.approx(0.0498, abs=1e-3)


def test_weights_are_readable_like_the_config(tmp_path):
    save_model(GReFELForImageClassification(tiny_config()), GReFELImageProcessor(), tmp_path / "best")
    assert len({path.stat().st_mode for path in (tmp_path / "best").iterdir()}) == 1
