"""Fairness: the same metrics for each group of people (or of images), and how far the groups are apart."""

from collections.abc import Sequence

import numpy as np
import torch

from grefel_hf.model.reliability_balancing import confidence
from grefel_train.evaluation.bootstrap import intervals, wilson_interval
from grefel_train.evaluation.metrics import classification_metrics, mean

SMALL_GROUP = 100
NO_ENTRY = "(none)"
COMPARED = ("accuracy", "macro_recall", "expected_calibration_error")


def group_metrics(
    values: Sequence[str],
    distributions: torch.Tensor,
    labels: torch.Tensor,
    seed: int,
    resamples: int,
    clusters: np.ndarray | None = None,
) -> dict:
    """
    Args:
        values: the group of each of M images.
        distributions, labels: (M, N) and (M,).
        clusters: as in `bootstrap.resampled_rows`.

    Returns:
        groups: metrics, mean confidence and intervals by group; gaps: for each of `COMPARED`, how far apart the groups
        with the lowest and the highest value are, among those of at least `SMALL_GROUP` images, with an interval for
        just these two; warnings: what keeps the figures from being taken at face value.
    """
    values = np.asarray(values)
    members = {name: torch.from_numpy(values == name) for name in sorted(set(values.tolist()))}
    groups = {}
    for name, mask in members.items():
        groups[name] = classification_metrics(distributions[mask], labels[mask])
        groups[name]["mean_confidence"] = mean(confidence(distributions[mask]))
    large = [name for name in members if groups[name]["samples"] >= SMALL_GROUP and name != NO_ENTRY]
    ends = {}
    for key in COMPARED if len(large) > 1 else ():
        ends[key] = [end(large, key=lambda name: groups[name][key]) for end in (min, max)]

    def statistic(rows: torch.Tensor) -> dict[str, float]:
        found = {}
        for name, mask in members.items():
            chosen = rows[mask[rows]]
            metrics = classification_metrics(distributions[chosen], labels[chosen]) if len(chosen) else {}
            found |= {f"{name}/{key}": metrics.get(key, np.nan) for key in COMPARED}
        return found | {
            f"gap/{key}": found[f"{high}/{key}"] - found[f"{low}/{key}"] for key, (low, high) in ends.items()
        }

    bounds = intervals(statistic, len(values), seed, resamples, clusters)
    for name in groups:
        groups[name]["intervals"] = {key: bounds[f"{name}/{key}"] for key in COMPARED if bounds}
        if bounds and clusters is None:
            count = groups[name]["samples"]
            groups[name]["intervals"]["accuracy"] = wilson_interval(round(groups[name]["accuracy"] * count), count)
    gaps = {
        key: {"gap": groups[high][key] - groups[low][key], "lowest": low, "highest": high}
        | {"interval": bounds.get(f"gap/{key}")}
        for key, (low, high) in ends.items()
    }
    return {"groups": groups, "gaps": gaps, "warnings": warnings(members, labels, large)}


def warnings(members: dict[str, torch.Tensor], labels: torch.Tensor, large: Sequence[str]) -> list[str]:
    found = [
        f"{name}: only {int(mask.sum())} images, too few to say anything firm; not part of the gaps."
        for name, mask in members.items()
        if name not in large and name != NO_ENTRY
    ]
    if NO_ENTRY in members:
        found.append(f"{int(members[NO_ENTRY].sum())} images have no entry in this column; they are not compared.")
    if len(large) < 2:
        found.append(f"Fewer than two groups have {SMALL_GROUP} images: no gap is given.")
    elif len({tuple(labels[members[name]].unique().tolist()) for name in large}) > 1:
        found.append("Not every group shows every class, so that their balanced accuracies are not quite comparable.")
    return found
