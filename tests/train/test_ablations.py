"""train/ablations.py: which arms there are, and the tables that real, tiny runs make."""

import contextlib
import io
import json
import shutil
import sys
from types import SimpleNamespace

import pytest

import ablations
from grefel_hf import GReFELConfig
from tests.helpers.launch import run
from tests.helpers.training_runs import log_entries, write_faces, write_recipe


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """The table `noise` of tiny runs, made twice by the same command."""
    folder = tmp_path_factory.mktemp("ablations")
    train, validation = write_faces(folder / "train", 33), write_faces(folder / "validation", 9)
    recipe = write_recipe(folder / "tiny.yaml", num_train_epochs=1, checkpointing_steps="epoch")
    out = folder / "out"
    words = ["--config", recipe, "--train_dir", train, "--validation_dir", validation, "--output_dir", out]
    words = [*map(str, words), "--tables", "noise"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablations, "subprocess", SimpleNamespace(run=run_launched))
        ablations.main(*ablations.parse_args(words))
        before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/all_results.json")}
        with contextlib.redirect_stdout(io.StringIO()) as again:
            ablations.main(*ablations.parse_args(words))
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*/*/all_results.json")}, "trained again"
    return out, again.getvalue()


def run_launched(command):
    """What `accelerate launch` starts, in a fork."""
    assert command[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    return run(*command[3:])


def test_runs_differ_by_the_arms_flags(noise):
    out, _ = noise
    models = {
        arm: GReFELConfig.from_pretrained(out / arm / "seed-0" / "best") for arm in ("noisy_without", "noisy_both")
    }
    assert models["noisy_both"].use_anchors and models["noisy_both"].use_attentive_correction
    assert not models["noisy_without"].use_anchors and not models["noisy_without"].use_attentive_correction
    for arm in models:
        settings = json.loads((out / arm / "seed-0" / "all_results.json").read_text())["args"]
        assert settings["label_noise"] == 0.2 and settings["seed"] == 0


def test_table_has_what_was_measured(noise):
    out, printed = noise
    table = json.loads((out / "ablations.json").read_text())["noise"]
    assert list(table) == ["noisy_without", "noisy_both"]
    for arm, row in table.items():
        measured = log_entries(out / arm / "seed-0", evaluations=True)[-1]
        assert row["corrected"]["accuracy"] == {
            "values": [measured["corrected"]["accuracy"]],
            "mean": measured["corrected"]["accuracy"],
            "deviation": None,
        }
        assert row["samples"] == 9
    assert table["noisy_both"]["parameters"] > table["noisy_without"]["parameters"]
    assert (out / "ablations.md").read_text().strip() == printed.strip()
    assert f"{100 * table['noisy_both']['corrected']['accuracy']['mean']:.2f} %" in printed


def test_lines_of_a_table_can_be_chosen(noise, tmp_path):
    out, _ = noise
    shutil.copytree(out / "noisy_both", tmp_path / "noisy_both")  # trained: only its line is to be written
    args, flags = ablations.parse_args(
        ["--config", "none.yaml", "--output_dir", str(tmp_path), "--tables", "noise", "--arms", "noisy_both"]
    )
    ablations.main(args, flags)
    assert list(json.loads((tmp_path / "ablations.json").read_text())["noise"]) == ["noisy_both"]


def test_seeds_have_mean_and_deviation():
    assert ablations.in_words({"mean": 0.8, "deviation": 0.0123}, "accuracy") == "80.00 ± 1.23 %"
    assert ablations.in_words({"mean": 0.25, "deviation": None}, "macro_f1") == "0.250"


def test_loss_arms_keep_what_they_name():
    flags = ablations.loss_flags("classification", "anchor")
    off = {flags[i] for i in range(0, len(flags), 2)}
    assert off == {f"--model.{name}_loss_weight" for name in ("primary", "geometric", "center")}
    assert set(flags[1::2]) == {"0"}


def test_heads_are_compared_on_features_that_are_computed_once(tmp_path, capsys):
    train, validation = write_faces(tmp_path / "train", 30), write_faces(tmp_path / "validation", 12)
    recipe = write_recipe(tmp_path / "tiny.yaml")
    words = ["--config", recipe, "--train_dir", train, "--validation_dir", validation]
    words += ["--cached_features", tmp_path / "features", "--output_dir", tmp_path / "out"]
    words += [
        "--heads",
        "primary",
        "eac",
        "--noise",
        0,
        0.4,
        "--images",
        20,
        "--steps",
        3,
        "--seeds",
        0,
        "--rates",
        0.001,
    ]
    ablations.main(*ablations.parse_args(list(map(str, words))))
    table = (tmp_path / "out" / "laboratory.md").read_text()
    assert table in capsys.readouterr().out and "| setup | rate | 20, 0% wrong | 20, 40% wrong |" in table
    found = json.loads((tmp_path / "out" / "laboratory.json").read_text())
    assert sorted(found["results"]) == ["eac 20 0 0", "eac 20 0.4 0", "primary 20 0 0", "primary 20 0.4 0"]
    assert found["results"]["eac 20 0 0"]["samples"] == 12
    stored = {file: file.stat().st_mtime_ns for file in (tmp_path / "features").iterdir()}
    ablations.main(*ablations.parse_args(list(map(str, words))))
    assert stored == {file: file.stat().st_mtime_ns for file in (tmp_path / "features").iterdir()}
    other = [validation if word == train else word for word in words]
    with pytest.raises(SystemExit, match="Cannot compare heads: .*train.safetensors has features of something else"):
        ablations.main(*ablations.parse_args(list(map(str, other))))
