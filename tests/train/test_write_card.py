"""The script that writes a checkpoint's card."""

import shutil

import pytest

from tests.helpers.trained_run import MACHINE, write_run
from write_card import main, parse_args


def test_the_card_is_written_without_paths_of_the_machine(tmp_path):
    best = write_run(tmp_path / "run")
    folder = shutil.copytree(best, tmp_path / "mine")
    words = ["--model", str(folder), "--training", str(best.parent / "all_results.json")]
    main(parse_args([*words, "--license", "cc-by-nc-4.0"]))
    card = (folder / "README.md").read_text()
    assert "# mine\n" in card and "license: cc-by-nc-4.0" in card
    assert MACHINE not in card and str(tmp_path) not in card


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SystemExit, match="Cannot write the card: .*nowhere.json"):
        main(parse_args(["--model", str(tmp_path), "--metrics", str(tmp_path / "nowhere.json")]))


def test_a_folder_without_a_checkpoint_is_told(tmp_path):
    with pytest.raises(SystemExit, match="Cannot write the card: .*config.json"):
        main(parse_args(["--model", str(tmp_path)]))


def test_the_results_beside_the_best_model_are_found(tmp_path):
    best = write_run(tmp_path / "run")
    main(parse_args(["--model", str(best)]))
    assert "training results were not at hand" not in (best / "README.md").read_text()
