"""Flags over recipes over defaults."""

import pytest
import yaml

from tests.helpers import REPOSITORY
from train import parse_args


def parse(tmp_path, recipe: str, *flags: str):
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe)
    return parse_args(["--config", str(file), "--output_dir", "out", *flags])


def test_flags_go_before_the_recipe_and_the_recipe_before_defaults(tmp_path):
    recipe = "{learning_rate: 3e-4, seed: 5, refinement: true, freeze_modules: [grefel], checkpointing_steps: 7}"
    args = parse(tmp_path, recipe, "--seed", "6")
    assert args.learning_rate == 3e-4 and args.seed == 6 and args.refinement and args.freeze_modules == ["grefel"]
    assert args.checkpointing_steps == 7 and args.ema_decay == 0.998
    assert parse(tmp_path, recipe, "--no-refinement").refinement is False


def test_entries_of_the_model_are_flags_too(tmp_path):
    recipe = "model: {num_anchors: 4, layer_scale_init_value: 1e-4}"
    flags = ["--model.num_anchors", "6", "--model.window_sizes", "[8, 4, 2]", "--model.use_anchors", "false"]
    model = parse(tmp_path, recipe, *flags).model
    assert model == {
        "num_anchors": 6,
        "layer_scale_init_value": 1e-4,
        "window_sizes": [8, 4, 2],
        "use_anchors": False,
    }


def test_a_recipe_may_hold_what_a_run_needs(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("output_dir: somewhere")
    assert parse_args(["--config", str(file)]).output_dir == "somewhere"


@pytest.mark.parametrize("file", sorted((REPOSITORY / "train" / "configs").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_recipes_of_the_repository_are_read(file):
    args = vars(parse_args(["--config", str(file), "--output_dir", "out"]))
    recipe = yaml.safe_load(file.read_text())
    assert recipe.keys() <= args.keys() and args["model"].items() >= recipe.get("model", {}).items()


def test_grefel_base_is_the_papers(tmp_path):
    args = parse_args(["--config", str(REPOSITORY / "train/configs/grefel-base.yaml"), "--output_dir", "out"])
    assert (args.optimizer, args.learning_rate, args.weight_decay) == ("adam", 3e-4, 0)
    assert (args.lr_scheduler_type, args.lr_decay, args.num_train_epochs) == ("exponential", 0.995, 1000)
    assert (args.resize_size, args.refinement, args.pool_per_group, args.samples_per_class) == (256, True, 512, 500)


@pytest.mark.parametrize(
    ("recipe", "flags", "message"),
    [
        ("no_such_flag: 1", [], "no_such_flag"),
        ("help: true", [], "keys that are no flags: help"),
        ("model: {no_such_entry: 1}", [], "no_such_entry"),
        ("seed: many", [], "seed cannot be 'many'"),
        ("optimizer: sgd", [], "choose one of adamw, adam"),
        ("refinement: 3", [], "must be true or false"),
        ("freeze_modules: grefel", [], "must be a list"),
        ("- a", [], "must map flags to values"),
        ("a: [", [], "cannot read the recipe"),
        ("", ["--model.no_such_entry", "1"], "--model.no_such_entry"),
        ("", ["--learn", "1"], "--learn"),
        ("", ["--label_smoothing", "2"], "--label_smoothing"),
        ("", ["--ema_decay", "1"], "--ema_decay"),
        ("", ["--freeze_stages", "4"], "--freeze_stages"),
        ("", ["--per_device_train_batch_size", "0"], "0 is below 1"),
        ("", ["--refinement", "--balance_power", "1"], "give one of them"),
        ("", ["--streaming"], "--max_train_steps"),
        ("", ["--streaming", "--max_train_steps", "9", "--refinement"], "--refinement"),
        ("model: {class_weights: [1, 2]}", ["--class_weighting", "inverse_frequency"], "give one of them"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, capsys, recipe, flags, message):
    with pytest.raises(SystemExit):
        parse(tmp_path, recipe, *flags)
    assert message in capsys.readouterr().err
