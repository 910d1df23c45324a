"""Averaging the weights of trained models."""

import json

import pytest
import torch

from average_models import averaged_weights, parse_args
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from tests.helpers.launch import run
from tests.helpers.tiny import tiny_config


def save(folder, seed: int, **switches) -> GReFELForImageClassification:
    torch.manual_seed(seed)
    model = GReFELForImageClassification(tiny_config(**switches))
    model.save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return model


def test_the_mean_is_weighted_and_counters_stay():
    states = [
        {"a": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)},
        {"a": torch.tensor([5.0, 6.0]), "n": torch.tensor(9)},
    ]
    average = averaged_weights(states, [3.0, 1.0])
    assert average["a"].tolist() == [2.0, 3.0] and average["n"] == 3


def test_the_script_writes_a_model_and_says_what_it_is(tmp_path):
    first, second = save(tmp_path / "a" / "best", 1), save(tmp_path / "b" / "best", 2)
    results = {"best": {"epoch": 1}, "calibration": {}, "seconds": 1.0, "args": {"seed": 0}}
    (tmp_path / "a" / "all_results.json").write_text(json.dumps(results))
    models = ["--models", tmp_path / "a" / "best", tmp_path / "b" / "best", "--weights", 3, 1]
    done = run("train/average_models.py", *models, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    average = GReFELForImageClassification.from_pretrained(tmp_path / "out" / "best")
    for name, weight in average.named_parameters():
        expected = 0.75 * first.get_parameter(name) + 0.25 * second.get_parameter(name)
        torch.testing.assert_close(weight, expected, atol=2e-3, rtol=2e-3)  # half precision on the disk
    written = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert [part["weight"] for part in written["averaged"]] == [0.75, 0.25]
    assert "best" not in written and "calibration" not in written and written["args"] == {"seed": 0}


def test_models_that_do_not_fit_are_refused_by_name(tmp_path):
    save(tmp_path / "a", 1), save(tmp_path / "b", 1, use_anchors=False)
    models = ["--models", tmp_path / "a", tmp_path / "b"]
    done = run("train/average_models.py", *models, "--output_dir", tmp_path / "out")
    assert done.returncode != 0 and "anchors" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [["a"], ["a", "b", "--weights", "1"], ["a", "b", "--weights", "0", "0"]])
def test_flags_that_do_not_fit(flags, capsys):
    with pytest.raises(SystemExit):
        parse_args(["--models", *flags, "--output_dir", "out"])
    assert "--models" in capsys.readouterr().err
