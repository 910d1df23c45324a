"""Flags say of themselves how far they reach."""

import pytest

from grefel_train.flags import FlagParser, Scope
from grefel_train.run.arguments import secret_options, within
from train import parse_args


def test_flags_of_groups_and_their_scopes_are_noted():
    parser = FlagParser(description="Two\nlines.")
    parser.add_argument("--seed", type=int)
    parser.add_argument_group("hub").add_argument("--hub_token", scope=Scope.SECRET)
    assert parser.scopes == {"help": Scope.WEIGHTS, "seed": Scope.WEIGHTS, "hub_token": Scope.SECRET}
    assert parser.flags["hub_token"].option_strings == ["--hub_token"]
    assert "Two\nlines." in parser.format_help()


def test_arguments_of_train_by_how_far_they_reach():
    given = vars(parse_args(["--output_dir", "out", "--hub_token", "hf_secret"]))
    weights, run, machine, start = (within(given, scope) for scope in list(Scope)[:4])
    assert {"seed", "learning_rate", "validation_split", "size"} <= weights.keys()
    assert {"model", "mixed_precision", "dataset_name", "logging_steps"} <= run.keys() - weights.keys()
    assert {"train_dir", "hub_model_id", "report_to"} <= machine.keys() - run.keys()
    assert {"output_dir", "resume_from_checkpoint", "config"} <= start.keys() - machine.keys()
    assert given.keys() - start.keys() == {"hub_token"} and secret_options() == ["--hub_token"]
    assert within({"a_flag_of_old": 1}, Scope.WEIGHTS) == {"a_flag_of_old": 1}


def test_a_wrong_flag_is_told_in_two_lines_with_the_one_that_was_meant(capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_args(["--output_dir", "out", "--lerning_rate", "3"])
    said = capsys.readouterr().err
    assert "--lerning_rate 3 (did you mean --learning_rate?)" in said and len(said.splitlines()) == 2
    with pytest.raises(SystemExit, match="2"):
        parse_args(["--output_dir", "out", "--seed", "many"])
    said = capsys.readouterr().err
    assert "--seed" in said and "many" in said and len(said.splitlines()) == 2
