"""What was measured of the model, and what the page says of itself, as data for templates/about."""

from collections.abc import Callable
from typing import Any

from ... import figures
from ... import sentences as wording
from ...measured import figure
from ...rendering import render
from .examples import ADDRESS, BIBTEX, CLIENT, CURL, MCP, PYTHON

# Keys of evaluation.json's single figures: name, how to print them.
_FIGURES = (
    ("accuracy", "Accuracy", lambda value: wording.percent(value, 1)),
    ("macro_recall", "Mean recall of the classes", lambda value: wording.percent(value, 1)),
    ("expected_calibration_error", "Calibration error (0 is best)", lambda value: f"{value:.3f}"),
)
_PARTS = (("primary", "Without balancing"), ("corrected", "With balancing"))
SIDE = 240  # of the reliability diagram, in the drawing's own units


def about_view(evaluation: dict[str, Any], labels: tuple[str, ...], name: str | None) -> str:
    """
    Everything about the model and the page.

    Args:
        name: public name of a model other than the bundled one.
    """
    loaded = name if name and "/" in name else f"path/to/{name}"  # visitors know a folder by its name only
    examples = [
        ("In Python", PYTHON.format(model=repr(loaded) if name else "")),
        ("With gradio_client", CLIENT.format(address=ADDRESS)),
        ("With curl", CURL.format(address=ADDRESS)),
        ("For assistants (MCP)", MCP.format(address=ADDRESS)),
    ]
    return render("about/about", name=name, examples=examples, bibtex=BIBTEX, **_measured(evaluation, labels))


def evaluation_view(evaluation: dict[str, Any], labels: tuple[str, ...]) -> str:
    """Everything of the evaluation that there is; "" if nothing was measured."""
    return render("about/evaluation", **_measured(evaluation, labels))


def _measured(evaluation: dict[str, Any], labels: tuple[str, ...]) -> dict[str, Any]:
    balancing = figure(evaluation, "plain", "balancing") or {}
    counted = all(isinstance(balancing.get(key), int) for key in ("labels_changed", "mended", "spoilt"))
    return {
        "classes": figures.coloured(labels),
        "parts": [name for _, name in _PARTS],
        "measured_on": wording.measured_on(
            [str(evaluation[key]) for key in ("dataset", "split", "protocol") if evaluation.get(key)],
            figure(evaluation, "plain", "corrected", "samples"),
            intervals=bool(figure(evaluation, "plain", "corrected", "intervals")),
        ),
        "rows": _rows(evaluation),
        "balancing": balancing if counted else None,
        "worst": _worst(evaluation),
        "confusions": _by_part(evaluation, lambda part: _confusion(part, labels)),
        "reliabilities": _by_part(evaluation, _reliability),
    }


def _by_part(evaluation: dict[str, Any], data_of: Callable[[dict[str, Any]], Any]) -> list[tuple[str, Any]]:
    """A figure without balancing and the same with it, those that were measured."""
    drawn = [(name, data_of(figure(evaluation, "plain", part) or {})) for part, name in _PARTS]
    return [(name, data) for name, data in drawn if data]


def _rows(evaluation: dict[str, Any]) -> list[tuple[str, list[dict[str, Any] | None]]]:
    """The single figures of both distributions, with their intervals where there are any."""
    plain = figure(evaluation, "plain")
    distinct = figure(evaluation, "plain", "without_duplicates")
    samples, total = figure(distinct, "corrected", "samples"), figure(plain, "corrected", "samples")
    rows = _of_images(plain, "")
    if samples and total and samples < total:
        rows += _of_images(distinct, f", on the {samples:,} images that repeat no other one")
    return [(name, cells) for name, cells in rows if any(cells)]


def _of_images(source: dict[str, Any] | None, which: str) -> list[tuple[str, list[dict[str, Any] | None]]]:
    parts = [figure(source, part) for part, _ in _PARTS]
    return [(name + which, [_with_interval(part, key, show) for part in parts]) for key, name, show in _FIGURES]


def _with_interval(part: dict[str, Any] | None, key: str, show: Callable[[float], str]) -> dict[str, Any] | None:
    value = figure(part, key)
    if value is None:
        return None
    interval = figure(part, "intervals", key)
    return {"value": show(value), "interval": [show(bound) for bound in interval or ()]}


def _confusion(part: dict[str, Any], labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Counts (N, N), rows the true classes, as shares of their rows; [] where they are missing or of other classes."""
    counts = part.get("confusion")
    if not counts or len(counts) != len(labels):
        return []
    rows = []
    for (true, colour), row in zip(figures.coloured(labels), counts):
        total = sum(row)
        cells = [
            figures.HeatCell(
                count / total if total else 0.0,
                f"{round(100 * count / total)}" if count else "",
                wording.confusion_tip(true, answer, count, total),
                framed=true == answer,
            )
            for answer, count in zip(labels, row)
        ]
        rows.append({"label": true, "colour": colour, "cells": cells, "total": total})
    return rows


def _reliability(part: dict[str, Any]) -> dict[str, Any] | None:
    """Accuracy by top probability, a bar per bin that has answers; None where it was not measured."""
    bins = [row for row in part.get("reliability_bins") or [] if row["samples"]]
    if not bins:
        return None
    most = max(row["samples"] for row in bins)
    return {"side": SIDE, "words": wording.reliability_words(bins), "bars": [_bar(row, most) for row in bins]}


def _bar(row: dict[str, Any], most: int) -> dict[str, Any]:
    height = SIDE * row["accuracy"]
    return {
        "x": SIDE * row["lower"] + 0.5,
        "y": SIDE - height,
        "width": SIDE * (row["upper"] - row["lower"]) - 1,
        "height": height,
        "tone": 0.25 + 0.75 * (row["samples"] / most) ** 0.5,
        "tip": wording.reliability_tip(row),
    }


def _worst(evaluation: dict[str, Any]) -> str | None:
    """The classes that are recognised worst, with how many faces that is said of."""
    recalls = figure(evaluation, "plain", "corrected", "recall_by_class")
    if not isinstance(recalls, dict):
        return None
    support = figure(evaluation, "plain", "corrected", "support_by_class") or {}
    known = sorted((value, label) for label, value in recalls.items() if value is not None)[:3]
    return wording.worst_sentence([(label, value, support.get(label)) for value, label in known])
