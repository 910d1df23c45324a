"""
Write what README.md says about the bundled checkpoint's reliability from the checkpoint's evaluation.json.

    python train/write_readme_figures.py

replaces what stands between the two marks; figures that belong to other weights are refused.
"""

import argparse
import sys
from pathlib import Path

from grefel_train.evaluation.words import reliability_points
from grefel_train.hub.card import REPOSITORY, bullet, evaluated_figures, metric_table, paragraph, read_json

CHECKPOINT = REPOSITORY / "grefel_hf" / "checkpoints" / "grefel-small"
README = REPOSITORY / "README.md"
START, END = "<!-- figures: train/write_readme_figures.py writes them -->\n", "<!-- /figures -->"


def section(model: Path) -> str:
    """
    The text between the marks.

    Raises:
        OSError, ValueError: there is no evaluation.json, or it was not made from these weights.
    """
    metrics = read_json(model / "evaluation.json", must_exist=True)
    figures = evaluated_figures(model, metrics, model.name)
    introduction = (
        f"Measured on {metrics['summary']['samples']:,} face crops of {figures.dataset}, {figures.split} split, with "
        "what chance may have done to it in brackets (95 % intervals). People's labels count as the truth, though "
        "people often disagree. This split also chose the best epoch of the training, so the figures are a little "
        "kinder than those on other faces would be."
    )
    points = "\n".join(map(bullet, reliability_points(metrics)))
    return f"{paragraph(introduction)}\n\n{points}\n\n{metric_table(figures)}\n"


def replaced(readme: str, text: str) -> str:
    """The README with this text between the marks. Raises ValueError where a mark is missing."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md must have the marks {START.strip()} and {END}.")
    return before + start + text + end + after


def main(argv=None):
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    try:
        README.write_text(replaced(README.read_text(), section(CHECKPOINT)))
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot write the README's figures: {error}")


if __name__ == "__main__":
    main()
