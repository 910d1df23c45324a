"""README.md and docs/ say of the bundled checkpoint what its evaluation.json says."""

import json
import shutil

import pytest

import write_readme_figures as figures
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from write_readme_figures import END, PAGES, START, parse_args, replaced, section


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_the_generated_section(page):
    text, written = page.read_text(), section(BUNDLED_CHECKPOINT, PAGES[page])
    assert replaced(text, written) == text, "run train/write_readme_figures.py"
    assert "3,191" in written


def test_figures_of_other_weights_are_refused(tmp_path):
    folder = shutil.copytree(BUNDLED_CHECKPOINT, tmp_path / "model")
    metrics = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**metrics, "weights_sha256": "0"}))
    with pytest.raises(ValueError, match="evaluate.py"):
        section(folder, PAGES[next(iter(PAGES))])


def test_only_what_stands_between_the_marks_changes(tmp_path, monkeypatch):
    assert replaced(f"a\n{START}old\n{END}\nb", "new\n") == f"a\n{START}new\n{END}\nb"
    monkeypatch.setattr(figures, "PAGES", {tmp_path / "README.md": "readme_figures.md"})
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(SystemExit, match="marks"):
        figures.main(parse_args([]))
    (tmp_path / "README.md").write_text(f"# Title\n\n{START}{END}\n")
    figures.main(parse_args([]))
    assert "**Right** on" in (tmp_path / "README.md").read_text()
