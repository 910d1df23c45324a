"""
The report's figures, each one panel that is still readable at the width of a phone.

Functions take parts of metrics.json and give matplotlib figures. Their few colours are names of colours of the report
at the same time: `themed_svg` replaces them, so that a figure within the page follows its light or dark theme.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from grefel_hf.palette import class_colours

INK, GRID, PRIMARY, CORRECTED, WRONG, PAPER = "#1c2126", "#d5dae0", "#c25e12", "#1b6fb5", "#b3261e", "#fdfefd"
VARIABLES = {
    INK: "--ink",
    GRID: "--line",
    PRIMARY: "--primary",
    CORRECTED: "--corrected",
    WRONG: "--wrong",
    PAPER: "--paper",
}
COLOURS = {"primary": PRIMARY, "corrected": CORRECTED}
MARKERS = {"primary": "o", "corrected": "s"}
WIDTH = 4.4  # inches
# Of a heat map's cell at its strongest: ink stays readable on it in both themes.
STRONGEST = 0.75
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}
PERCENT = PercentFormatter(1, decimals=0, symbol="\N{NO-BREAK SPACE}%")


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures."""
    with matplotlib.rc_context(STYLE):
        yield


def panel(height: float, rows: int = 1, ratios: Sequence[float] | None = None):
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(rows, sharex=rows > 1, height_ratios=ratios)


def reliability_diagram(metrics: dict, part: str) -> Figure:
    """Accuracy against top probability, by bin, over a histogram of the top probability."""
    bins = [row for row in metrics["reliability_bins"] if row["samples"]]
    figure, (top, bottom) = panel(4.4, 2, (4, 1))
    top.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as it should be")
    x, y = [row["confidence"] for row in bins], [row["accuracy"] for row in bins]
    top.vlines(x, x, y, color=COLOURS[part], linewidth=5, alpha=0.3)
    top.plot(x, y, color=COLOURS[part], marker=MARKERS[part], markersize=5, label=f"{part} distribution")
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="how often it is right")
    top.legend(loc="upper left")
    edges = [row["lower"] for row in metrics["reliability_bins"]]
    total = sum(row["samples"] for row in bins)
    shares = [row["samples"] / total for row in metrics["reliability_bins"]]
    bottom.bar(edges, shares, width=1 / len(edges), align="edge", color=COLOURS[part], alpha=0.6)
    bottom.set(xlabel="probability of the answer", ylabel="images")
    for axis in (top.xaxis, top.yaxis, bottom.xaxis, bottom.yaxis):
        axis.set_major_formatter(PERCENT)
    return figure


def heat_map(
    shares: np.ndarray,
    texts: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    colour: str,
    tilted: bool = False,
) -> tuple[Figure, matplotlib.axes.Axes]:
    """Cells (R, C) in [0, 1] with a text in each; names of columns may be tilted to fit."""
    figure, axes = panel(0.9 + 0.36 * len(rows) + 0.5 * tilted)
    axes.grid(False)
    for row, (values, words) in enumerate(zip(shares, texts)):
        for column, (value, word) in enumerate(zip(values, words)):
            cell = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=STRONGEST * float(value))
            axes.add_patch(cell)
            axes.text(column, row, word, ha="center", va="center", fontsize=9)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    tilt = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    axes.set_xticks(range(len(columns)), columns, **tilt)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def confusion_diagram(metrics: dict, part: str) -> Figure:
    """Of the images of each true class (rows), the per cent that got each answer."""
    counts = np.array(metrics["confusion"])
    names = list(metrics["support_by_class"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    texts = [[f"{100 * share:.0f}" if count else "" for share, count in zip(*row)] for row in zip(shares, counts)]
    figure, axes = heat_map(shares, texts, names, names, COLOURS[part], tilted=True)
    axes.set(xlabel="answer", ylabel="true class")
    return figure


def recall_diagram(view: dict) -> Figure:
    """Recall of each class, both distributions, with intervals."""
    names = list(view["corrected"]["recall_by_class"])
    figure, axes = panel(1.1 + 0.4 * len(names))
    for part, offset in (("primary", -0.15), ("corrected", 0.15)):
        bounds = view[part].get("intervals", {}).get("recall_by_class", {})
        points = {name: (view[part]["recall_by_class"][name], bounds.get(name)) for name in names}
        with_interval(axes, points, part, offset)
    axes.set(xlim=(-0.02, 1.02), xlabel="recognised, of all images of the class")
    axes.xaxis.set_major_formatter(PERCENT)
    label_rows(axes, names)
    return figure


def with_interval(axes, points: dict[str, tuple[float | None, list | None]], part: str, offset: float):
    """One dot a row with its interval."""
    label = part
    for row, (value, bounds) in enumerate(points.values()):
        if value is None:
            continue
        if bounds and bounds[0] is not None:
            axes.plot(bounds, [row + offset] * 2, color=COLOURS[part], linewidth=2, alpha=0.55)
        marker = {"marker": MARKERS[part], "linestyle": "none", "markersize": 6}
        axes.plot([value], [row + offset], color=COLOURS[part], label=label, **marker)
        label = None  # in the legend once


def label_rows(axes, names: Sequence[str]):
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def risk_coverage_diagram(view: dict) -> Figure:
    """Errors among the answers against the share that is answered, most confident first."""
    figure, axes = panel(3.2)
    for part, style in (("primary", "--"), ("corrected", "-")):
        curve = np.array(view[part]["risk_coverage"])
        axes.plot(curve[:, 0], curve[:, 1], color=COLOURS[part], linestyle=style, label=part)
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="images that get an answer", ylabel="errors among the answers")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="upper left")
    return figure


def confidence_diagram(metrics: dict) -> Figure:
    """Confidence of right and of wrong answers, as shares of each."""
    figure, axes = panel(3.0)
    edges = np.linspace(0, 1, len(metrics["confidence_histogram_right"]) + 1)
    for name, colour, style in (("right", CORRECTED, "-"), ("wrong", WRONG, "--")):
        counts = np.array(metrics[f"confidence_histogram_{name}"])
        shares = counts / max(counts.sum(), 1)
        axes.stairs(shares, edges, color=colour, alpha=0.25, fill=True)
        axes.stairs(shares, edges, color=colour, linewidth=1.8, linestyle=style, label=f"{name} ({counts.sum():,})")
    axes.set(xlim=(0, 1), xlabel="confidence of the corrected distribution", ylabel="share of the answers")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="upper left")
    return figure


def agreement_diagram(rows: list[dict]) -> Figure:
    """By how far the taggers agreed: their share for the top class, the model's probability for its own, accuracy."""
    figure, axes = panel(3.2)
    x = range(len(rows))
    series = (
        ("people", "votes for the top class", INK, "^", ":"),
        ("top_probability", "the model's own probability", CORRECTED, "s", "-"),
        ("accuracy", "the model's accuracy", PRIMARY, "o", "--"),
    )
    for key, label, colour, marker, style in series:
        axes.plot(x, [row[key] for row in rows], color=colour, marker=marker, linestyle=style, label=label)
    axes.set_xticks(x, [f"{row['level']}\n({row['samples']:,})" for row in rows])
    axes.set(ylim=(0, 1.02), xlim=(-0.4, len(rows) - 0.6), xlabel="taggers who agree (images)")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="lower left")
    return figure


def balancing_diagram(balancing: dict) -> Figure:
    """Answers that balancing mended (to the right) and spoilt (to the left), by true class."""
    names = list(balancing["by_class"])
    figure, axes = panel(1.1 + 0.32 * len(names))
    most = max(max(row["mended"], row["spoilt"]) for row in balancing["by_class"].values()) or 1
    for row, counts in enumerate(balancing["by_class"].values()):
        for key, sign, colour in (("mended", 1, CORRECTED), ("spoilt", -1, WRONG)):
            axes.barh(row, sign * counts[key], color=colour, alpha=0.8, label=None if row else key)
            if counts[key]:
                ends = {"ha": "left" if sign > 0 else "right", "va": "center", "fontsize": 9}
                axes.text(sign * (counts[key] + 0.02 * most), row, str(counts[key]), **ends)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlim=(-1.2 * most, 1.2 * most), xlabel="images")
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    label_rows(axes, names)
    return figure


def embedding_diagram(
    points: np.ndarray, labels: np.ndarray, anchors: np.ndarray, anchor_labels: np.ndarray, names: Sequence[str]
) -> Figure:
    """t-SNE of embeddings (M, 2) and anchors (A, 2), both coloured by class; class names at their medians."""
    figure, axes = panel(4.4)
    colours = class_colours(tuple(names))
    for index, name in enumerate(names):
        mine = points[labels == index]
        if len(mine):
            axes.scatter(*mine.T, s=5, color=colours[name], alpha=0.45, linewidths=0, rasterized=True)
        placed = anchors[anchor_labels == index]
        if len(placed):
            axes.scatter(*placed.T, s=55, marker="*", color=colours[name], edgecolors=INK, linewidths=0.7, zorder=3)
    for index, name in enumerate(names):
        mine = points[labels == index]
        if len(mine):
            box = {"facecolor": PAPER, "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
            axes.text(*np.median(mine, 0), name, ha="center", va="center", fontsize=9, zorder=4, bbox=box)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def anchor_diagram(usage: dict) -> Figure:
    """Of all images, how many have each anchor as their nearest."""
    counts = np.array(list(usage["images"].values()))
    texts = [[str(count) if count else "·" for count in row] for row in counts.tolist()]
    numbers = [str(number + 1) for number in range(counts.shape[1])]
    figure, axes = heat_map(counts / max(counts.max(), 1), texts, list(usage["images"]), numbers, CORRECTED)
    axes.set(xlabel="anchor", ylabel="class of the anchor")
    return figure


def robustness_diagram(clean: dict, by_kind: dict[str, list[dict]], figure_name: str) -> Figure:
    """A metric of the corrected distribution by kind (rows) and severity (columns), without disturbance on the left."""
    kinds = list(by_kind)
    values = [[step["corrected"][figure_name] for step in (clean, *by_kind[kind])] for kind in kinds]
    texts = [[f"{100 * value:.0f}" for value in row] for row in values]
    columns = ["none", *(str(severity + 1) for severity in range(len(values[0]) - 1))]
    colour = CORRECTED if figure_name == "accuracy" else WRONG
    shares = np.array(values) if figure_name == "accuracy" else np.minimum(np.array(values) / 0.5, 1)
    figure, axes = heat_map(shares, texts, [kind.replace("_", " ") for kind in kinds], columns, colour)
    axes.set(xlabel="severity")
    return figure


def robustness_means_diagram(clean: dict, by_kind: dict[str, list[dict]]) -> Figure:
    """Accuracy of both distributions and the corrected one's own probability, averaged over kinds, by severity."""
    figure, axes = panel(3.2)
    steps = [[clean], *zip(*by_kind.values())]
    series = (
        ("primary", "accuracy", "accuracy, primary", "--"),
        ("corrected", "accuracy", "accuracy, corrected", "-"),
        ("corrected", "top_probability", "own probability, corrected", ":"),
    )
    for part, key, label, style in series:
        means = [np.mean([kind[part][key] for kind in step]) for step in steps]
        axes.plot(means, color=COLOURS[part], marker=MARKERS[part], linestyle=style, label=label)
    axes.set_xticks(range(len(steps)), ["none", *map(str, range(1, len(steps)))])
    axes.set(ylim=(0, 1.02), xlabel="severity, mean over all kinds")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="lower left")
    return figure


def group_diagram(column: dict) -> Figure:
    """Accuracy of each group, both distributions, with intervals."""
    groups = column["corrected"]["groups"]
    names = [f"{name} ({groups[name]['samples']:,})" for name in groups]
    figure, axes = panel(1.1 + 0.4 * len(names))
    for part, offset in (("primary", -0.15), ("corrected", 0.15)):
        found = column[part]["groups"].items()
        points = {name: (row["accuracy"], row["intervals"].get("accuracy")) for name, row in found}
        with_interval(axes, points, part, offset)
    axes.set(xlabel="accuracy (images)")
    axes.xaxis.set_major_formatter(PERCENT)
    label_rows(axes, names)
    return figure


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write NAME.png and NAME.svg, on light paper; gives the SVG for the page."""
    figure.savefig(folder / f"{name}.png", dpi=200, facecolor=PAPER)
    svg = io.StringIO()
    # The salt makes ids differ between figures, which share one page, but not between runs.
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(svg, format="svg", facecolor=PAPER, dpi=200, metadata={"Date": None})
    (folder / f"{name}.svg").write_text(svg.getvalue())
    return themed_svg(svg.getvalue())


def themed_svg(svg: str) -> str:
    """An SVG that can stand in HTML: no XML header, as wide as its place, with the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
