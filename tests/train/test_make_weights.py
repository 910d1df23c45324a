"""The stages of train/make_weights.sh, with a stand-in for Python that notes its command and makes the result."""

import json
import os
import re
import subprocess

import pytest
import yaml

from tests.helpers import REPOSITORY
from tests.helpers.launch import run
from tests.helpers.training_runs import log_entries, write_faces

RECIPES = [REPOSITORY / f"train/configs/grefel-small-{name}.yaml" for name in ("mobilenet-v1", "parts")]
TINY = dict(image_size=64, image_backbone_size=64, landmark_backbone_size=16, window_sizes=[4, 2, 1])
TINY |= dict(
    mobilenet_width=0.125,
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=4,
    fusion_channels=[8, 8, 16],
    mobilefacenet_channels=[8, 16, 32],
    mobilefacenet_depths=[2, 2, 1],
)

STAND_IN = """#!/bin/sh
echo "$@" >> commands
case "$1" in train/train.py) [ -z "$FAILS" ] || exit 1;; esac
for flag; do
    [ "$before" != --output ] || touch "$flag"
    [ "$1 $before" != "train/fit_reliability.py --model" ] || touch "$flag/reliability.json"
    [ "$before" != --output_dir ] || { mkdir -p "$flag/best"; touch "$flag/all_results.json" "$flag/landmarks.json" \\
        "$flag/landmarks.safetensors" "$flag/backbone.json" "$flag/backbone.safetensors"; }
    [ "$1 $before" != "train/fit_explanation.py --model" ] || touch "$flag/explanation.json"
    before=$flag
done
"""


@pytest.fixture
def make_weights(tmp_path):
    (tmp_path / "python").write_text(STAND_IN)
    (tmp_path / "python").chmod(0o755)

    def start(*arguments, **variables) -> tuple[int, list[str]]:
        """The exit code and the commands, by their scripts."""
        (tmp_path / "commands").unlink(missing_ok=True)
        environment = os.environ | {"PYTHON": "./python"} | variables
        done = subprocess.run(
            ["sh", REPOSITORY / "train/make_weights.sh", *arguments], cwd=tmp_path, env=environment, capture_output=True
        )
        file = tmp_path / "commands"
        return done.returncode, file.read_text().splitlines() if file.exists() else []

    return start


def scripts(commands: list[str]) -> list[str]:
    return [command.split()[0].removeprefix("train/").removesuffix(".py") for command in commands]


def test_stages_run_once_in_order_and_a_broken_training_goes_on(make_weights):
    code, commands = make_weights("FERPLUS", FAILS="1")
    landmarks = ["-m", "train_landmarks"]
    assert code and scripts(commands) == ["prepare_backbone", "prepare_backbone", *landmarks, *landmarks, "train"]
    code, commands = make_weights("FERPLUS")
    trained = ["train", "train_backbone", "train_backbone", "train"]
    assert code == 0 and scripts(commands)[:4] == trained and "--resume_from_checkpoint latest" in commands[0]
    fitted = ["calibrate", "fit_reliability", "fit_explanation"]
    assert scripts(commands)[4:] == [*fitted, "evaluate", "write_card"]
    assert scripts(make_weights("FERPLUS")[1]) == ["write_card"]


def test_another_seed_goes_to_every_training(make_weights):
    commands = make_weights("FERPLUS", "1")[1]
    seeds = [
        (name, *re.findall(r"--seeds? [\d ]+$", c)) for name, c in zip(scripts(commands), commands) if "--seed" in c
    ]
    whole, trunk = ("train", "--seed 1"), [("train_backbone", f"--seeds {three}") for three in ("3 4 5", "103 104 105")]
    assert [pair for pair in seeds if pair[1:]] == [*[("train_landmarks", "--seed 1")] * 2, whole, *trunk, whole]


def test_each_stage_starts_from_the_weights_of_the_one_before(make_weights):
    commands = make_weights("FERPLUS")[1]
    trunk = [re.search(r"--backbone (\S+) --output_dir (\S+)", c).groups() for c in commands if "train_backbone" in c]
    whole = "runs/grefel-small-mobilenet-v1"
    assert f"--output_dir {whole} " in next(c for c in commands if c.startswith("train/train.py"))
    assert trunk[0] == (f"{whole}/best/model.safetensors", "runs/backbone-first")
    assert trunk[1] == ("runs/backbone-first/backbone.safetensors", "runs/backbone")
    assert yaml.safe_load(RECIPES[1].read_text())["image_backbone"] == "runs/backbone/backbone.safetensors"


def test_every_stage_keeps_the_same_images_out_of_training():
    recipes = [yaml.safe_load(path.read_text()) for path in RECIPES]
    assert {(recipe["calibration_fraction"], recipe["keep"]) for recipe in recipes} == {(0.05, "last")}
    script = (REPOSITORY / "train/make_weights.sh").read_text()  # train_backbone.py, calibrate.py and what is fitted
    assert script.count("--calibration_fraction 0.05") == 4


def test_without_a_folder_nothing_runs(make_weights):
    code, commands = make_weights()
    assert code and commands == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipe_trains_on_a_tiny_network(path, tmp_path):
    recipe = yaml.safe_load(path.read_text())
    for weights in ("image_backbone", "landmark_backbone"):
        del recipe[weights]
    recipe |= {"model": recipe["model"] | TINY, "mixed_precision": "no", "per_device_train_batch_size": 8}
    recipe |= {"num_train_epochs": 2, "warmup_steps": 2, "dataloader_num_workers": 0, "logging_steps": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    faces, out = write_faces(tmp_path / "faces", 60), tmp_path / "out"
    words = ["--config", tmp_path / "recipe.yaml", "--train_dir", faces, "--validation_fraction", 0.2]
    done = run("train/train.py", *words, "--output_dir", out)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "best_metrics.json").read_text())["epoch"] == 2
    config = json.loads((out / "best" / "config.json").read_text())
    assert (config["image_backbone"], config["anchor_distance"]) == ("mobilenet_v1", "cosine")
    entries = log_entries(out)
    assert entries[-1]["learning_rate"] == 0 and {"primary_loss", "geometric_loss", "attentive_loss"} <= set(entries[0])
