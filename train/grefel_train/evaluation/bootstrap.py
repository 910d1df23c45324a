"""
How far a figure would move if other images of the same kind had been drawn: percentile bootstrap, and Wilson's interval
for shares of counts, where resamples of none (or all) of a few would never move.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import binomtest
from tqdm.auto import tqdm

LEVEL = 0.95


def resampled_rows(count: int, seed: int, resamples: int, clusters: np.ndarray | None = None):
    """
    Rows of each resample: `count` drawn with replacement, or, with `clusters` (M,), whole clusters, as the frames of a
    video or the poses of a subject are not independent draws. Negative clusters stand for themselves.
    """
    random = np.random.default_rng(seed)
    if clusters is None:
        for _ in range(resamples):
            yield torch.from_numpy(random.integers(0, count, count))
        return
    alone = np.where(clusters < 0, clusters.max() + 1 + np.arange(count), clusters)
    order = np.argsort(alone, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(alone[order])) + 1)
    # By their first rows: cluster ids depend on the order of the data, rows are in canonical order.
    members.sort(key=lambda rows: rows[0])
    for _ in range(resamples):
        drawn = random.integers(0, len(members), len(members))
        yield torch.from_numpy(np.concatenate([members[i] for i in drawn]))


def intervals(
    statistic: Callable[[torch.Tensor], dict[str, float]],
    count: int,
    seed: int,
    resamples: int,
    clusters: np.ndarray | None = None,
    progress: str | None = None,
) -> dict[str, list[float]]:
    """
    95 % intervals of figures.

    Args:
        statistic: from rows (R,) to named figures; a NaN is a resample that does not give this figure.
        progress: title of a progress bar.

    Returns:
        [low, high] by name; [NaN, NaN] where no resample gave the figure.
    """
    rows = resampled_rows(count, seed, resamples, clusters)
    samples = [statistic(r) for r in tqdm(rows, total=resamples, desc=progress, disable=progress is None, leave=False)]
    tails = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
    found = {}
    for name in samples[0] if samples else ():
        values = np.array([sample[name] for sample in samples])
        values = values[~np.isnan(values)]
        found[name] = np.percentile(values, tails).tolist() if len(values) else [np.nan, np.nan]
    return found


def wilson_interval(hits: int, count: int) -> list[float]:
    """[low, high], 95 %, of the chance of which `hits` of `count` independent draws speak; [NaN, NaN] for no draws."""
    if not count:
        return [np.nan, np.nan]
    found = binomtest(hits, count).proportion_ci(LEVEL, method="wilson")
    return [float(found.low), float(found.high)]
