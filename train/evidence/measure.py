"""From what the model said to every figure of the report, each computed once."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from evidence.agreement import agreement_metrics, metrics_by_agreement
from evidence.balancing import balancing_effect, mean_confidences
from evidence.bootstrap import intervals
from evidence.collect import Collected, canonical_order
from evidence.data import EvaluationData
from evidence.embedding_space import anchor_usage, cluster_scores
from evidence.groups import group_metrics
from evidence.selective import curve_points, selective_metrics, threshold_table
from grefel_hf.reliability_balancing import confidence
from metrics import (
    class_metrics,
    classification_metrics,
    confusion_matrix,
    is_correct,
    probability_metrics,
    reliability_bins,
    top_probability,
)

DIGITS = 6  # of figures in metrics.json: below that, the size of a batch shows
DISTRIBUTIONS = ("primary", "corrected")
# Of the difference that balancing makes.
DIFFERENCES = ("accuracy", "macro_recall", "expected_calibration_error", "negative_log_likelihood")


def sorted_by_content(collected: Collected, data: EvaluationData) -> Collected:
    """In canonical order."""
    facts: list[Sequence] = [data.labels[collected.rows], *([g[r] for r in collected.rows] for g in data.groups.values())]
    if data.votes is not None:
        facts.append(data.votes[collected.rows])
    return collected.select(canonical_order(collected.digests, facts))


def in_shown_classes(collected: Collected, data: EvaluationData) -> tuple[Collected, list[int]]:
    """Distributions over the classes that an image of the data shows only, and the ids of these classes."""
    shown = np.unique(data.labels[data.labels >= 0]).tolist()
    for name, values in collected.distributions.items():
        values = values[:, shown]
        collected.distributions[name] = values / values.sum(-1, keepdim=True)
    return collected, shown


def all_metrics(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Every single-valued metric of distributions (M, N) against labels (M,)."""
    correct = is_correct(distributions, labels)
    return {
        **classification_metrics(distributions, labels),
        **probability_metrics(distributions, labels),
        **selective_metrics(confidence(distributions), correct),
    }


def view_metrics(
    primary: torch.Tensor,
    corrected: torch.Tensor,
    labels: torch.Tensor,
    names: Sequence[str],
    clusters: np.ndarray | None,
    seed: int,
    resamples: int,
    title: str | None = None,
) -> dict[str, Any]:
    """Both distributions (M, N) side by side, with intervals, and what balancing changed from one to the other."""
    both = {"primary": primary, "corrected": corrected}

    def statistic(rows: torch.Tensor) -> dict[str, float]:
        found, kept = {}, {}
        for part, values in both.items():
            kept[part] = all_metrics(values[rows], labels[rows])
            found |= {f"{part}/{name}": value for name, value in kept[part].items()}
            recall = class_metrics(confusion_matrix(values[rows], labels[rows]))["recall"]
            found |= {f"{part}/recall/{name}": value for name, value in zip(names, recall.tolist())}
        return found | {f"difference/{k}": kept["corrected"][k] - kept["primary"][k] for k in DIFFERENCES}

    bounds = intervals(statistic, len(labels), seed, resamples, clusters, title)
    view: dict[str, Any] = {}
    for part, values in both.items():
        view[part] = all_metrics(values, labels)
        confusion = confusion_matrix(values, labels)
        for figure, by_class in class_metrics(confusion).items():
            view[part][f"{figure}_by_class"] = dict(zip(names, by_class.tolist()))
        view[part]["confusion"] = confusion.tolist()
        view[part]["reliability_bins"] = reliability_bins(values, labels)
        view[part] |= selective_tables(values, labels)
        if bounds:
            view[part]["intervals"] = {
                name: bounds[f"{part}/{name}"] for name in view[part] if f"{part}/{name}" in bounds and name != "samples"
            }
            view[part]["intervals"]["recall_by_class"] = {name: bounds[f"{part}/recall/{name}"] for name in names}
    view["balancing"] = balancing_effect(primary, corrected, labels, names)
    view["balancing"]["difference"] = {k: view["corrected"][k] - view["primary"][k] for k in DIFFERENCES}
    if bounds:
        view["balancing"]["intervals"] = {k: bounds[f"difference/{k}"] for k in DIFFERENCES}
    return view


def selective_tables(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, list]:
    """Risk-coverage curve and threshold tables: by the confidence of Eq. 10 and by the top probability."""
    correct = is_correct(distributions, labels)
    scores = {"confidence": confidence(distributions), "top_probability": top_probability(distributions)}
    tables = {"risk_coverage": curve_points(scores["confidence"], correct)}
    return tables | {f"{name}_thresholds": threshold_table(values, correct) for name, values in scores.items()}


def measure(
    collected: Collected, data: EvaluationData, names: Sequence[str], num_anchors: int | None, seed: int, resamples: int
) -> dict[str, Any]:
    """
    Every figure but robustness.

    Args:
        collected: in canonical order; its distributions over the classes `names`, whose labels `data` has.
    """
    labels = data.labels[collected.rows]
    labelled = np.flatnonzero(labels >= 0)
    seen, truth = collected.select(labelled), torch.from_numpy(labels[labelled])
    clusters = None if data.clusters is None else data.clusters[seen.rows]
    repeats = repeated(seen, data)
    unique = torch.from_numpy(~repeats)
    result: dict[str, Any] = {}
    for view, prefix in (("plain", ""), ("mirror_averaged", "mirror_")):
        both = [seen.distributions.get(prefix + part) for part in DISTRIBUTIONS]
        if both[0] is None:
            continue
        result[view] = view_metrics(*both, truth, names, clusters, seed, resamples, f"intervals, {view}")
        if repeats.any():
            of_unique = (values[unique] for values in both)
            some = None if clusters is None else clusters[unique.numpy()]
            without = view_metrics(*of_unique, truth[unique], names, some, seed, resamples, "intervals, no duplicates")
            result[view]["without_duplicates"] = headline(without)
        else:
            result[view]["without_duplicates"] = headline(result[view])
    result["plain"]["balancing"]["mean_confidences"] = mean_confidences(seen.distributions, truth)
    if data.votes is not None:
        result["agreement"] = measure_agreement(collected, data, seed, resamples)
    if seen.nearest_anchor is not None or collected.embeddings is not None:
        result["embedding_space"] = measure_embeddings(seen, data, truth.numpy(), names, num_anchors)
    if data.groups:
        result["groups"] = {
            column: {
                part: group_metrics(
                    [values[row] for row in seen.rows], seen.distributions[part], truth, seed, resamples, clusters
                )
                for part in DISTRIBUTIONS
            }
            for column, values in data.groups.items()
        }
    result["summary"] = summary(result["plain"])
    return result


def headline(view: dict[str, Any]) -> dict[str, dict]:
    """The single-valued metrics of a view with their intervals."""
    return {
        part: {k: v for k, v in view[part].items() if isinstance(v, float | int)}
        | ({"intervals": view[part]["intervals"]} if "intervals" in view[part] else {})
        for part in DISTRIBUTIONS
    }


def repeated(seen: Collected, data: EvaluationData) -> np.ndarray:
    """(M,) bool: known to repeat an earlier image, or with the pixels of one that comes before in this very order."""
    if data.repeats is not None:
        return data.repeats[seen.rows]
    again = np.ones(len(seen.rows), bool)
    again[np.unique(seen.digests, return_index=True)[1]] = False
    return again


def measure_agreement(collected: Collected, data: EvaluationData, seed: int, resamples: int) -> dict[str, Any]:
    votes = data.votes[collected.rows]
    voted = np.flatnonzero(votes.sum(1) > 0)
    seen, votes = collected.select(voted), torch.from_numpy(votes[voted])
    clusters = None if data.clusters is None else data.clusters[seen.rows]
    both = {part: seen.distributions[part] for part in DISTRIBUTIONS}

    def statistic(rows: torch.Tensor) -> dict[str, float]:
        found = {part: agreement_metrics(votes[rows], values[rows]) for part, values in both.items()}
        return {f"{part}/{name}": value for part, metrics in found.items() for name, value in metrics.items()}

    bounds = intervals(statistic, len(votes), seed, resamples, clusters, "intervals, agreement")
    result = {}
    for part, values in both.items():
        result[part] = agreement_metrics(votes, values)
        if bounds:
            result[part]["intervals"] = {k: bounds[f"{part}/{k}"] for k in result[part] if k != "samples"}
        result[part]["by_agreement"] = metrics_by_agreement(votes, values)
    return result


def measure_embeddings(
    seen: Collected, data: EvaluationData, labels: np.ndarray, names: Sequence[str], num_anchors: int | None
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if seen.embeddings is not None:
        of_sample = data.labels[seen.embedding_rows]
        known = of_sample >= 0
        result |= {"samples": int(known.sum()), **cluster_scores(seen.embeddings[known], of_sample[known])}
    if seen.nearest_anchor is not None and num_anchors:
        result["anchor_usage"] = anchor_usage(seen.nearest_anchor, labels, num_anchors, names)
    return result


def summary(plain: dict[str, Any]) -> dict[str, Any]:
    """The handful of figures that a reader wants first, all of the corrected distribution."""
    corrected, balancing = plain["corrected"], plain["balancing"]
    recalls = {name: recall for name, recall in corrected["recall_by_class"].items() if not math.isnan(recall)}
    weakest = min(recalls, key=recalls.get)
    return {
        "samples": corrected["samples"],
        "accuracy": corrected["accuracy"],
        "accuracy_interval": corrected.get("intervals", {}).get("accuracy"),
        "macro_recall": corrected["macro_recall"],
        "expected_calibration_error": corrected["expected_calibration_error"],
        "accuracy_at_coverage_80": corrected["accuracy_at_coverage_80"],
        "accuracy_change_by_balancing": balancing["difference"]["accuracy"],
        "accuracy_change_interval": balancing.get("intervals", {}).get("accuracy"),
        **{name: balancing[name] for name in ("labels_changed", "mended", "spoilt")},
        "weakest_class": weakest,
        "weakest_recall": recalls[weakest],
        "weakest_support": corrected["support_by_class"][weakest],
    }


def as_json(value: Any) -> Any:
    """Rounded, and None for what is no number."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DIGITS)
    return value
