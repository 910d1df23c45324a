"""
Write what README.md and docs/ say about the bundled checkpoint's reliability from the checkpoint's evaluation.json.

    python train/write_readme_figures.py

replaces what stands between the two marks of each page; figures that belong to other weights are refused.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grefel_train.flags import FlagParser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    return FlagParser(description=__doc__).parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.files import write_text
from grefel_train.evaluation.words import reliability_points
from grefel_train.hub import prose
from grefel_train.hub.card import REPOSITORY, evaluated_figures, metric_table, read_results, what_was_chosen
from grefel_train.run.provenance import read_json

TEMPLATES = Path(prose.__file__).parent
# Template by page.
PAGES = {
    REPOSITORY / "README.md": "readme_figures.md",
    REPOSITORY / "docs" / "reliability.md": "certainty_figures.md",
    REPOSITORY / "docs" / "results.md": "balancing_figures.md",
}
START, END = "<!-- figures: train/write_readme_figures.py writes them -->\n", "<!-- /figures -->"


def section(model: Path, template: str) -> str:
    """
    The text between the marks, by the name of its template.

    Raises:
        OSError, ValueError: there is no evaluation.json or all_results.json, or the figures are of other weights.
    """
    metrics = read_json(model / "evaluation.json", must_exist=True)
    results = read_results(model / "all_results.json", must_exist=True)
    figures = evaluated_figures(model, metrics)
    return prose.rendered(
        TEMPLATES / template,
        metrics=metrics,
        samples=metrics["summary"]["samples"],
        figures=figures,
        chosen=what_was_chosen(metrics, results),
        sentences=reliability_points(metrics),
        table=metric_table(figures),
    )


def replaced(page: str, text: str) -> str:
    """A page with this text between the marks. Raises ValueError where a mark is missing."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"it must have the marks {START.strip()} and {END}")
    return before + start + text + end + after


def main(args: argparse.Namespace):
    for page, template in PAGES.items():
        try:
            write_text(page, replaced(page.read_text(), section(BUNDLED_CHECKPOINT, template)))
        except (OSError, ValueError) as error:
            sys.exit(f"Cannot write the figures of {page}: {error}")


if __name__ == "__main__":
    main(parse_args())
