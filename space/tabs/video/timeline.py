"""A label distribution over time as stacked bands in the classes' colours: SVG that stretches to its place."""

from collections.abc import Sequence
from html import escape

import numpy as np

from grefel_hf.palette import class_colours

from ... import sentences as wording

WIDTH, HEIGHT = 600, 96  # of the drawing's own units; page.css gives it its size on the screen
TICKS = 6  # at most, on the time axis
NICE_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60)  # seconds


def timeline_figure(
    labels: tuple[str, ...], times: Sequence[float], distributions: Sequence[np.ndarray], start: float, end: float
) -> str:
    """
    Args:
        times: seconds, rising.
        distributions: (N,) each, at these times.
        start, end: seconds at the edges of the drawing.
    """
    colours = class_colours(labels)
    span = max(end - start, 1e-6)
    bands = "".join(
        f'<polygon points="{points}" fill="{colours[label]}"/>'
        for run in _runs(times)
        for label, points in _bands(labels, times[run], distributions[run], start, span)
    )
    ticks = "".join(_tick(tick, (tick - start) / span, last=last) for tick, last in _ticks(start, end))
    return (
        f'<figure class="gf-timeline" role="img" aria-label="{escape(timeline_words(labels, times, distributions))}">'
        f'<div class="gf-plot"><div class="gf-yaxis" aria-hidden="true"><span>100\u00a0%</span><span>50</span>'
        f'<span>0</span></div><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'{bands}<line x1="0" x2="{WIDTH}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/></svg></div>'
        f'<div class="gf-xaxis" aria-hidden="true">{ticks}</div></figure>'
    )


def timeline_words(labels: tuple[str, ...], times: Sequence[float], distributions: Sequence[np.ndarray]) -> str:
    """What the drawing shows, for those who hear the page."""
    if not len(times):
        return "Timeline, still empty"
    mean = np.mean(distributions, axis=0)
    top = mean.argsort()[::-1][:2]
    shares = " and ".join(f"{labels[i]} {wording.percent(float(mean[i]))}" for i in top)
    return f"Timeline from {times[0]:.1f} to {times[-1]:.1f} seconds; on average {shares}"


def _runs(times: Sequence[float]) -> list[slice]:
    """Stretches without a gap: a person who was out of sight has no expression."""
    if len(times) < 2:
        return [slice(0, len(times))]
    steps = np.diff(times)
    breaks = [0, *(np.flatnonzero(steps > max(1.0, 4 * float(np.median(steps)))) + 1).tolist(), len(times)]
    return [slice(first, last) for first, last in zip(breaks, breaks[1:])]


def _bands(labels, times, distributions, start: float, span: float):
    """For each class the polygon between its lower and upper edge."""
    if not len(times):
        return
    x = (np.asarray(times) - start) / span * WIDTH  # (T,)
    shares = np.stack(distributions)  # (T, N)
    if len(x) == 1:  # seen once: a thin bar
        x, shares = np.array([x[0] - 1.5, x[0] + 1.5]), np.repeat(shares, 2, axis=0)
    edges = np.concatenate([np.zeros((len(x), 1)), shares.cumsum(1)], axis=1)  # (T, N + 1)
    y = HEIGHT * (1 - edges.clip(0, 1))
    for index, label in enumerate(labels):
        upper = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y[:, index + 1])]
        lower = [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], y[::-1, index])]
        yield label, " ".join(upper + lower)


def _ticks(start: float, end: float) -> list[tuple[float, bool]]:
    """Round times between the edges, and whether each is the last one, which carries the unit."""
    step = next((step for step in NICE_STEPS if (end - start) / step <= TICKS), NICE_STEPS[-1])
    ticks = np.arange(np.ceil(start / step) * step, end + 1e-9, step).tolist()
    return [(tick, tick == ticks[-1]) for tick in ticks]


def _tick(value: float, place: float, *, last: bool) -> str:
    """A mark of the time axis; one at the very end stays inside."""
    edge = ' class="gf-edge"' if place > 0.97 else ""
    number = f"{value:g}".replace("-", "\u2212") + ("\u00a0s" if last else "")
    return f'<span{edge} style="left:{100 * place:.2f}%">{number}</span>'
