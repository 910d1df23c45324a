"""The README says of the bundled checkpoint what its evaluation.json says."""

import json
import shutil

import pytest

import write_readme_figures as readme_section
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from tests.helpers import REPOSITORY
from write_readme_figures import END, START, parse_args, replaced, section


def test_the_readme_has_the_generated_section():
    text = (REPOSITORY / "README.md").read_text()
    assert replaced(text, section(BUNDLED_CHECKPOINT)) == text, "run train/write_readme_figures.py"
    assert "Worst of 10 disturbances" in text


def test_figures_of_other_weights_are_refused(tmp_path):
    folder = shutil.copytree(BUNDLED_CHECKPOINT, tmp_path / "model")
    metrics = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**metrics, "weights_sha256": "0"}))
    with pytest.raises(ValueError, match="evaluate.py"):
        section(folder)


def test_only_what_stands_between_the_marks_changes(tmp_path, monkeypatch):
    assert replaced(f"a\n{START}old\n{END}\nb", "new\n") == f"a\n{START}new\n{END}\nb"
    monkeypatch.setattr(readme_section, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(SystemExit, match="marks"):
        readme_section.main(parse_args([]))
    (tmp_path / "README.md").write_text(f"# Title\n\n{START}{END}\n")
    readme_section.main(parse_args([]))
    assert "**Right** on" in (tmp_path / "README.md").read_text()
