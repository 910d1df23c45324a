"""Figures of metrics.json in words: for the report, the model card and the README."""

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grefel_hf.plurals import counted

HARDLY = 0.02  # of overconfidence: no more, whatever chance has done, is none


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def points(difference: float | None, signed: bool = True) -> str:
    """A difference of shares in percentage points."""
    if difference is None:
        return "–"
    return minus(f"{100 * difference:+.1f}") if signed else f"{100 * abs(difference):.1f}"


def decimal(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else minus(f"{value:.{digits}f}")


def minus(number: str) -> str:
    return number.replace("-", "−")


def between(bounds: list[float] | None, kind: str = "percent") -> str:
    """An interval in words, "" where there is none."""
    if not bounds or bounds[0] is None:
        return ""
    if kind == "percent":
        return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"
    return " to ".join({"points": points, "decimal": decimal}[kind](bound) for bound in bounds)


def in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def sureness(summary: dict[str, Any]) -> str:
    """Whether the probabilities promise too much on the whole."""
    bounds, mean = summary["overconfidence_interval"], summary["overconfidence"]
    if may_be_chance(bounds) and max(map(abs, bounds)) > HARDLY:
        return "whether it is too sure or too modest on the whole, so few images do not show"
    if may_be_chance(bounds):
        return "on the whole it is neither too sure nor too modest"
    return f"on the whole it is {points(mean, signed=False)} points too {'sure' if mean > 0 else 'modest'}"


def may_be_chance(bounds: list[float] | None) -> bool:
    """Of an interval of a difference: does it hold 0?"""
    return bool(bounds) and bounds[0] <= 0 <= bounds[1]


def environment(autoescape: bool, *folders: Path) -> Environment:
    """Of the templates beside this file and in other folders, with figures in words as filters."""
    found = Environment(
        loader=FileSystemLoader([Path(__file__).parent / "templates", *folders]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    found.filters |= {f.__name__: f for f in (counted, percent, points, decimal, between, sureness, may_be_chance)}
    return found


def reliability_points(metrics: dict[str, Any]) -> list[str]:
    """
    What a report says, each point a sentence or two of Markdown that need no knowledge of statistics.

    Args:
        metrics: metrics.json of evaluate.py.
    """
    template = environment(autoescape=False).get_template("reliability.md")  # Markdown, of a checkpoint's own figures
    summary = metrics["summary"]
    plain = metrics.get("plain", {})
    recalls = plain.get("corrected", {}).get("recall_by_class", {})
    distinct = plain.get("without_duplicates", {}).get("corrected", {})
    alike = [name for name, recall in recalls.items() if recall == summary["weakest_recall"]]
    text = template.render(
        summary=summary,
        distinct=distinct if distinct.get("samples", summary["samples"]) < summary["samples"] else None,
        alike=[name for name in alike if name != summary["weakest_class"]],
        robustness=metrics.get("robustness"),
        certainty=metrics.get("certainty"),
    )
    return [line for line in text.splitlines() if line]
