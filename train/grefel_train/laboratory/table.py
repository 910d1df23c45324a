"""Every arm under every condition, kept as it goes, and the table of it."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from grefel_hf import GReFELConfig
from grefel_hf.files import write_text
from grefel_train.laboratory.arms import ARMS, arm_config
from grefel_train.laboratory.features import Features
from grefel_train.laboratory.training import choose_rate, measure, subset, train_heads

FIGURES = ("accuracy", "macro_recall", "expected_calibration_error")
SEARCH_SEED = 1000  # of the images that rates are chosen on, which no seed of a table is
SEARCH_NOISE = 0.2


@dataclass(frozen=True)
class Plan:
    """
    What is compared.

    Attributes:
        heads: keys of `ARMS`; the first is what the others are compared with.
        images: numbers of training images, 0 for all.
        noise: shares of wrong labels.
        seeds: each with images and wrong labels of its own.
        rates: among which each arm's learning rate is chosen, once.
        steps: of training.
    """

    heads: Sequence[str]
    images: Sequence[int]
    noise: Sequence[float]
    seeds: Sequence[int]
    rates: Sequence[float]
    steps: int


def run_plan(plan: Plan, train: Features, validation: Features, config: GReFELConfig, file: Path) -> dict:
    """
    All figures, those that the file has already taken from it.

    Raises:
        ValueError: the file has runs of another length, or on other features.

    Returns:
        What was `compared`, `rates` by arm, and `results`: by "ARM IMAGES NOISE SEED" the metrics on validation. After
        each run the file has all of it.
    """
    compared = {"steps": plan.steps, "train": len(train.labels), "validation": len(validation.labels)}
    found = json.loads(file.read_text()) if file.exists() else {"compared": compared, "rates": {}, "results": {}}
    if found["compared"] != compared:
        raise ValueError(f"{file} has runs of another kind ({found['compared']}, not {compared}): name another folder.")
    size = train.tokens.shape[-1]

    def maker(key: str, own: Features):
        arm = ARMS[key]
        return lambda: arm.make(size, arm_config(arm, config), own.labels)

    def save():
        write_text(file, json.dumps(found, indent=1) + "\n")

    runs = [(i, n, s, key) for i in plan.images for n in plan.noise for s in plan.seeds for key in plan.heads]
    for images, noise, seed, key in tqdm(runs, desc="runs"):
        name = f"{key} {images} {noise} {seed}"
        if name in found["results"]:
            continue
        if key not in found["rates"]:
            fewest = min(count or len(train.labels) for count in plan.images)
            some = subset(train, fewest, SEARCH_NOISE, config.num_labels, SEARCH_SEED)
            found["rates"][key] = choose_rate(maker(key, some), some, list(plan.rates), plan.steps, SEARCH_SEED)
        own = subset(train, images or None, noise, config.num_labels, seed)
        heads = train_heads(maker(key, own), own, found["rates"][key], plan.steps, seed)
        found["results"][name] = measure(heads, validation)
        save()
    return found


def to_markdown(plan: Plan, found: dict, available: int) -> str:
    """For each number of images and share of wrong labels a column: accuracy, and below it macro recall."""
    conditions = [(images, noise) for images in plan.images for noise in plan.noise]
    heads = [f"{images or available}, {noise:.0%} wrong" for images, noise in conditions]
    lines = ["| setup | rate | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for key in plan.heads:
        cells = []
        for images, noise in conditions:
            rows = [found["results"][f"{key} {images} {noise} {seed}"] for seed in plan.seeds]
            base = [found["results"][f"{plan.heads[0]} {images} {noise} {seed}"] for seed in plan.seeds]
            cells.append(cell(rows, None if key == plan.heads[0] else base))
        lines.append(f"| {ARMS[key].title} | {found['rates'][key]:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(rows: list[dict[str, float]], base: list[dict[str, float]] | None) -> str:
    """
    Of the first arm accuracy, macro recall and calibration error; of others how much they differ, seed by seed, with
    the standard error of the mean.
    """
    if base is None:
        accuracy, recall, error = (statistics.mean(row[figure] for row in rows) for figure in FIGURES)
        return f"{100 * accuracy:.2f} %; {recall:.3f}; {error:.3f}"
    parts = []
    for figure, scale, digits in zip(FIGURES, (100, 1, 1), (2, 3, 3)):
        values = [scale * (row[figure] - other[figure]) for row, other in zip(rows, base)]
        spread = f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}" if len(values) > 1 else ""
        parts.append(f"{statistics.mean(values):+.{digits}f}{spread if figure != FIGURES[-1] else ''}")
    return "; ".join(parts).replace("-", "−")
