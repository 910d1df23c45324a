"""A label distribution over time as stacked bands in the classes' colours; the figures' template draws it as SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from grefel_hf.palette import class_colours

from .sentences import timeline_words

TICKS = 6  # at most, on the time axis
NICE_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60)  # seconds


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis: its text, and where it is in per cent of the width; one at the very end stays inside."""

    text: str
    place: float

    @property
    def at_edge(self) -> bool:
        return self.place > 97


@dataclass(frozen=True)
class Timeline:
    """
    The geometry of a drawing of `width` by `height` units of its own; page.css gives it its size on the screen.

    words: what it shows.
    bands: polygons, each as its colour and "x,y x,y ...".
    moments: left edge and width in per cent of the drawing, how many of 100 such answers are right (`figures.right`),
        and the first class.
    """

    words: str
    bands: list[tuple[str, str]]
    ticks: list[Tick]
    moments: list[tuple[float, float, int | None, str]]
    width: int = 600
    height: int = 96


def timeline(
    labels: tuple[str, ...],
    times: Sequence[float],
    distributions: Sequence[np.ndarray],
    rights: Sequence[int | None],
    start: float,
    end: float,
) -> Timeline:
    """
    Args:
        times: seconds, rising.
        distributions: (N,) each, at these times.
        rights: see `figures.right`, at these times.
        start, end: seconds at the edges of the drawing.
    """
    colours = class_colours(labels)
    span = max(end - start, 1e-6)
    bands, moments = [], []
    for run in _runs(times):
        x = _places(times[run], start, span)
        bands += [(colours[label], points) for label, points in _bands(labels, x, distributions[run])]
        words = [labels[int(values.argmax())] for values in distributions[run]]
        moments += _moments(x, rights[run], words)
    return Timeline(timeline_words(labels, times, distributions), bands, _ticks(start, end, span), moments)


def _runs(times: Sequence[float]) -> list[slice]:
    """Stretches without a gap: a person who was out of sight has no expression."""
    if len(times) < 2:
        return [slice(0, len(times))]
    steps = np.diff(times)
    breaks = [0, *(np.flatnonzero(steps > max(1.0, 4 * float(np.median(steps)))) + 1).tolist(), len(times)]
    return [slice(first, last) for first, last in zip(breaks, breaks[1:])]


def _places(times: Sequence[float], start: float, span: float) -> np.ndarray:
    """Times (T,) in the drawing's units; of one who was seen once the edges of a thin bar (2,)."""
    x = (np.asarray(times) - start) / span * Timeline.width
    return np.array([x[0] - 1.5, x[0] + 1.5]) if len(x) == 1 else x


def _moments(
    x: np.ndarray, rights: Sequence[int | None], words: list[str]
) -> list[tuple[float, float, int | None, str]]:
    """Each reaches halfway to those beside it."""
    edges = x if len(x) > len(words) else np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    edges = (100 * edges / Timeline.width).round(2).tolist()
    return [
        (left, round(right - left, 2), times_right, word)
        for left, right, times_right, word in zip(edges, edges[1:], rights, words)
    ]


def _bands(labels: tuple[str, ...], x: np.ndarray, distributions: Sequence[np.ndarray]) -> Iterator[tuple[str, str]]:
    """For each class the polygon between its lower and upper edge."""
    if not len(distributions):
        return
    shares = np.stack(distributions)  # (T, N)
    if len(shares) < len(x):
        shares = np.repeat(shares, len(x), axis=0)
    edges = np.concatenate([np.zeros((len(x), 1)), shares.cumsum(1)], axis=1)  # (T, N + 1)
    y = Timeline.height * (1 - edges.clip(0, 1))
    for index, label in enumerate(labels):
        upper = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y[:, index + 1])]
        lower = [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], y[::-1, index])]
        yield label, " ".join(upper + lower)


def _ticks(start: float, end: float, span: float) -> list[Tick]:
    """Round times between the edges; the last one carries the unit."""
    step = next((step for step in NICE_STEPS if (end - start) / step <= TICKS), NICE_STEPS[-1])
    values = np.arange(np.ceil(start / step) * step, end + 1e-9, step).tolist()
    texts = [f"{value:g}".replace("-", "\u2212") for value in values]
    texts[-1:] = [f"{text}\u00a0s" for text in texts[-1:]]
    return [Tick(text, 100 * (value - start) / span) for text, value in zip(texts, values)]
