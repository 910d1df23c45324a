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
from grefel_train.laboratory.noise import Noise
from grefel_train.laboratory.training import choose_rate, measure, subset, train_heads

SEARCH_SEED = 1000  # of the images that rates are chosen on, which no seed of a table is
SEARCH_NOISE = Noise(0.2)
KEPT_DIGITS = 5


@dataclass(frozen=True)
class Figure:
    """A table: the metric's name in words, what it is multiplied by, its digits, and whether more of it is better."""

    title: str
    scale: int = 1
    digits: int = 3
    more_is_better: bool = True


FIGURES = {
    "accuracy": Figure("Accuracy, %", 100, 2),
    "macro_recall": Figure("Macro recall"),
    "macro_f1": Figure("Macro F1"),
    "expected_calibration_error": Figure("Expected calibration error", more_is_better=False),
    "risk_at_coverage_80": Figure("Wrong among the surest 80 %, %", 100, 2, more_is_better=False),
}


@dataclass(frozen=True)
class Plan:
    """
    What is compared.

    Attributes:
        heads: keys of `ARMS`; the first is what the others are compared with.
        images: numbers of training images, 0 for all.
        noise: of the labels.
        seeds: each with images and wrong labels of its own.
        rates: among which each arm's learning rate is chosen, once, on the largest number of images.
        steps: of training.
    """

    heads: Sequence[str]
    images: Sequence[int]
    noise: Sequence[Noise]
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
            most = max(count or len(train.labels) for count in plan.images)
            some = subset(train, most, SEARCH_NOISE, config.num_labels, SEARCH_SEED)
            found["rates"][key] = choose_rate(maker(key, some), some, list(plan.rates), plan.steps, SEARCH_SEED)
        own = subset(train, images or None, noise, config.num_labels, seed)
        heads = train_heads(maker(key, own), own, found["rates"][key], plan.steps, seed)
        found["results"][name] = {key: round(value, KEPT_DIGITS) for key, value in measure(heads, validation).items()}
        save()
    return found


def to_markdown(plan: Plan, found: dict, available: int) -> str:
    """A table for each of `FIGURES`, with a column for each number of images and kind of wrong labels."""
    conditions = [(images, noise) for images in plan.images for noise in plan.noise]
    heads = [f"{images or available}, {noise.title}" for images, noise in conditions]
    lines = []
    for name, figure in FIGURES.items():
        lines += [f"{figure.title}:", "", "| setup | rate | " + " | ".join(heads) + " |"]
        lines += ["|---" * (len(heads) + 2) + "|"]
        for key in plan.heads:
            cells = []
            for images, noise in conditions:
                values, base = (
                    [figure.scale * found["results"][f"{arm} {images} {noise} {seed}"][name] for seed in plan.seeds]
                    for arm in (key, plan.heads[0])
                )
                cells.append(cell(values, None if key == plan.heads[0] else base, figure))
            lines.append(f"| {ARMS[key].title} | {found['rates'][key]:g} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def cell(values: Sequence[float], base: Sequence[float] | None, figure: Figure) -> str:
    """
    The mean of the first arm; of others how much they differ from it, seed by seed, with the standard error of the
    mean, in bold where the worst seed is better than its best.
    """
    if base is None:
        return f"{statistics.mean(values):.{figure.digits}f}"
    apart = min(values) > max(base) if figure.more_is_better else max(values) < min(base)
    changes = [value - other for value, other in zip(values, base)]
    text = f"{statistics.mean(changes):+.{figure.digits}f}"
    if len(changes) > 1:
        text += f" ± {statistics.stdev(changes) / len(changes) ** 0.5:.{figure.digits}f}"
    return (f"**{text}**" if apart else text).replace("-", "−")
