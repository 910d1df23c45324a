"""Figures of what was measured: accuracy with and without balancing, confusion matrices, reliability diagrams."""

from collections.abc import Sequence
from html import escape
from typing import Any

from grefel_hf.palette import class_colours

from ... import figures
from ... import sentences as wording
from ...measured import figure

# Keys of evaluation.json's single figures: name, how to print them.
_FIGURES = (
    ("accuracy", "Accuracy", lambda value: wording.percent(value, 1)),
    ("macro_recall", "Mean recall of the classes", lambda value: wording.percent(value, 1)),
    ("expected_calibration_error", "Calibration error (0 is best)", lambda value: f"{value:.3f}"),
)
_PARTS = (("primary", "Without balancing"), ("corrected", "With balancing"))
SIDE = 240  # of the reliability diagram, in the drawing's own units


def evaluation_view(evaluation: dict[str, Any], labels: tuple[str, ...]) -> str:
    """Everything of the evaluation that there is; "" if nothing was measured."""
    views = (figures_table(evaluation), _both(evaluation, confusion_matrix, labels), _reliability(evaluation))
    titles = ("How good is it?", "Which expressions are taken for which", "Does it know how sure it may be?")
    notes = (
        _measured_on(evaluation),
        "Rows: what people called the face. Columns: what the model answered, in per cent of the row.",
        "If bars end on the diagonal, answers given with 80 % are right in 80 % of cases. Their tone shows how many "
        "answers fall into a bar. Below the diagonal the model is too sure of itself.",
    )
    return "".join(
        f'<section class="gf-section"><h3>{title}</h3><p>{escape(note)}</p>{view}</section>'
        for title, note, view in zip(titles, notes, views)
        if view
    )


def figures_table(evaluation: dict[str, Any]) -> str:
    """The single figures of both distributions, with their intervals where there are any."""
    rows = ""
    for key, name, show in _FIGURES:
        values = [_with_interval(figure(evaluation, "plain", part), key, show) for part, _ in _PARTS]
        if any(values):
            cells = "".join(f"<td>{value or '–'}</td>" for value in values)
            rows += f'<tr><th scope="row">{name}</th>{cells}</tr>'
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for _, name in _PARTS)
    balancing = figure(evaluation, "plain", "balancing")
    changed = (
        f"<p>Balancing changed {balancing['labels_changed']} answers: {balancing['mended']} errors mended, "
        f"{balancing['spoilt']} right answers spoilt.</p>"
        if balancing and {"labels_changed", "mended", "spoilt"} <= balancing.keys()
        else ""
    )
    return (
        f'<table class="gf-figures"><thead><tr><th scope="col"><span class="gf-aloud">Figure</span></th>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table>{changed}{_weakest(evaluation)}"
    )


def confusion_matrix(part: dict[str, Any], labels: tuple[str, ...]) -> str:
    """Counts (N, N), rows the true classes, as shares of their rows; "" where they are missing or of other classes."""
    counts = part.get("confusion")
    if not counts or len(counts) != len(labels):
        return ""
    colours = class_colours(labels)
    heads = "".join(f'<th scope="col" title="{escape(label)}"><span>{escape(label)}</span></th>' for label in labels)
    rows = ""
    for true, row in zip(labels, counts):
        total = sum(row)
        cells = "".join(
            figures.heat_cell(
                count / total if total else 0.0,
                f"{round(100 * count / total)}" if count else "",
                f"{true} answered as {answer}: {count} of {total}",
                framed=true == answer,
            )
            for answer, count in zip(labels, row)
        )
        rows += (
            f'<tr><th scope="row">{figures.swatch(colours[true])}{escape(true)}</th>{cells}'
            f'<td class="gf-number">{total}</td></tr>'
        )
    return (
        f'<div class="gf-scroll"><table class="gf-heat gf-confusion"><thead><tr><th></th>{heads}'
        f'<th scope="col" class="gf-number">Faces</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def reliability_diagram(part: dict[str, Any]) -> str:
    """Accuracy by top probability, a bar per bin that has answers; "" where it was not measured."""
    bins = [row for row in part.get("reliability_bins") or [] if row["samples"]]
    if not bins:
        return ""
    most = max(row["samples"] for row in bins)
    bars = "".join(_bar(row, most) for row in bins)
    ticks = "".join(f"<span>{tick}</span>" for tick in (0, 25, 50, 75)) + "<span>100\u00a0%</span>"
    words = "; ".join(
        f"{row['confidence']:.0%} sure: {row['accuracy']:.0%} right, {row['samples']} faces" for row in bins
    )
    return (
        f'<figure class="gf-reliability" role="img" aria-label="{words}"><div class="gf-yaxis" aria-hidden="true">'
        f"<span>100\u00a0%</span><span>right</span><span>0</span></div>"
        f'<svg viewBox="0 0 {SIDE} {SIDE}" aria-hidden="true">{bars}<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0"/></svg>'
        f'<div class="gf-axis" aria-hidden="true">{ticks}</div><figcaption>top probability</figcaption></figure>'
    )


def _bar(row: dict[str, Any], most: int) -> str:
    left, height = SIDE * row["lower"], SIDE * row["accuracy"]
    width = SIDE * (row["upper"] - row["lower"])
    tone = 0.25 + 0.75 * (row["samples"] / most) ** 0.5
    tip = f"{row['lower']:.0%} to {row['upper']:.0%}: {row['accuracy']:.0%} of {row['samples']} right"
    return (
        f'<rect x="{left + 0.5:.1f}" y="{SIDE - height:.1f}" width="{width - 1:.1f}" height="{height:.1f}" '
        f'style="--v:{tone:.2f}"><title>{tip}</title></rect>'
    )


def _both(evaluation: dict[str, Any], view, *arguments: Any) -> str:
    """A figure without balancing and the same with it, side by side."""
    columns = ""
    for part, name in _PARTS:
        content = view(figure(evaluation, "plain", part) or {}, *arguments)
        columns += f"<div><h4>{name}</h4>{content}</div>" if content else ""
    return f'<div class="gf-both">{columns}</div>' if columns else ""


def _reliability(evaluation: dict[str, Any]) -> str:
    return _both(evaluation, reliability_diagram)


def _with_interval(part: dict[str, Any] | None, key: str, show) -> str:
    value = (part or {}).get(key)
    if value is None:
        return ""
    interval: Sequence[float] | None = figure(part, "intervals", key)
    note = f" <small>{show(interval[0])} to {show(interval[1])}</small>" if interval else ""
    return f"{show(value)}{note}"


def _measured_on(evaluation: dict[str, Any]) -> str:
    names = ", ".join(str(evaluation[key]) for key in ("dataset", "split", "protocol") if evaluation.get(key))
    samples = figure(evaluation, "plain", "corrected", "samples")
    faces = f"{samples:,} faces" if samples else ""
    intervals = figure(evaluation, "plain", "corrected", "intervals")
    note = " Small figures: 95 % intervals." if intervals else ""
    return f"Measured on {', '.join(part for part in (names, faces) if part)}.{note}"


def _weakest(evaluation: dict[str, Any]) -> str:
    """The classes that are recognised worst, with how many faces that is said of."""
    recalls = figure(evaluation, "plain", "corrected", "recall_by_class")
    if not isinstance(recalls, dict):
        return ""
    support = figure(evaluation, "plain", "corrected", "support_by_class") or {}
    known = sorted((value, label) for label, value in recalls.items() if value is not None)[:3]
    named = ", ".join(
        f"{escape(label)} ({wording.percent(value)}{f' of {support[label]}' if label in support else ''})"
        for value, label in known
    )
    return f"<p>Recognised worst: {named}.</p>"
