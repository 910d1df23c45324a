"""Figures of metrics.json in words: for the report, the model card and the README."""

import math
from typing import Any


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
    if bounds and bounds[0] <= 0 <= bounds[1]:
        return "on the whole it is neither too sure nor too modest"
    return f"on the whole it is {points(mean, signed=False)} points too {'sure' if mean > 0 else 'modest'}"


def may_be_chance(bounds: list[float] | None) -> str:
    """What an interval of a difference that holds 0 means."""
    return ", which may be chance" if bounds and bounds[0] <= 0 <= bounds[1] else ""


def images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def reliability_points(metrics: dict[str, Any]) -> list[str]:
    """
    What a report says, each point a sentence or two of Markdown that need no knowledge of statistics.

    Args:
        metrics: metrics.json of evaluate.py.
    """
    s = metrics["summary"]
    accuracy, recall = s["accuracy_change_interval"], s["macro_recall_change_interval"]
    found = [
        f"**Right** on {percent(s['accuracy'])} of the faces{other_faces(s['accuracy_interval'])}.",
        f"**Its probabilities** are off by {points(s['expected_calibration_error'], signed=False)} points on average "
        f"(expected calibration error {decimal(s['expected_calibration_error'])}; 0 is best); {sureness(s)}.",
        f"**It knows when it is unsure**: of the 80 % of answers with the highest confidence, "
        f"{percent(s['accuracy_at_coverage_80'])} are right.",
        f"**Balancing** changed {s['labels_changed']:,} answers: {s['mended']:,} errors mended, {s['spoilt']:,} right "
        f"answers spoilt. Accuracy moved by {points(s['accuracy_change_by_balancing'])} points"
        f"{in_brackets(between(accuracy, 'points'))}{may_be_chance(accuracy)}; macro recall (the mean of the "
        f"classes' recalls) by {points(s['macro_recall_change_by_balancing'])}{in_brackets(between(recall, 'points'))}"
        f"{may_be_chance(recall)}.",
        f"**Weakest class**: {s['weakest_class']}, of whose {images(s['weakest_support'])} it recognises "
        f"{percent(s['weakest_recall'], 0)}{in_brackets(between(s['weakest_interval']))}.",
    ]
    if robustness := metrics.get("robustness"):
        r = robustness["summary"]
        found.append(
            f"**Worst of {len(robustness['by_kind'])} disturbances**: {r['worst'].replace('_', ' ')}. Over five "
            f"strengths {percent(r['worst_mean_accuracy'])} are right, at the strongest "
            f"{percent(r['worst_accuracy_at_5'])}, undisturbed {percent(r['clean_accuracy'])} (of "
            f"{images(robustness['samples'])}); over all disturbances {percent(r['mean_accuracy'])}."
        )
    return found


def other_faces(bounds: list[float] | None) -> str:
    text = between(bounds)
    return f" (on other faces of the same kind it might be {text} %)" if text else ""
