"""From what the model said to every figure of the report, each computed once."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from grefel_hf.model.reliability_balancing import confidence
from grefel_hf.results import ANSWERS
from grefel_train.evaluation.agreement import agreement_metrics, metrics_by_agreement
from grefel_train.evaluation.balancing import balancing_effect, mean_confidences
from grefel_train.evaluation.bootstrap import intervals, wilson_interval
from grefel_train.evaluation.collect import Collected, canonical_order
from grefel_train.evaluation.embedding_space import anchor_usage, cluster_scores
from grefel_train.evaluation.groups import group_metrics
from grefel_train.evaluation.images import EvaluationData
from grefel_train.evaluation.metrics import (
    class_metrics,
    classification_metrics,
    confusion_matrix,
    is_correct,
    probability_metrics,
    reliability_bins,
    top_probability,
)
from grefel_train.evaluation.selective import curve_points, selective_metrics, threshold_table

DIGITS = 6  # of figures in metrics.json: below that, the size of a batch shows
# Of the difference that balancing makes.
DIFFERENCES = ("accuracy", "macro_recall", "expected_calibration_error", "negative_log_likelihood")


def sorted_by_content(collected: Collected, data: EvaluationData) -> Collected:
    """In canonical order."""
    facts: list[Sequence] = [
        data.labels[collected.rows],
        *([g[r] for r in collected.rows] for g in data.groups.values()),
    ]
    if data.votes is not None:
        facts.append(data.votes[collected.rows])
    return collected.select(canonical_order(collected.digests, facts))


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
    title: str,
    with_intervals: Callable[[torch.Tensor, torch.Tensor], dict[str, float]],
) -> dict[str, Any]:
    """
    Both distributions (M, N) side by side, with intervals, and what balancing changed from one to the other.

    Args:
        with_intervals: gives the metrics that get intervals; resampling all of them takes its time.
    """
    both = {"primary": primary, "corrected": corrected}

    def statistic(rows: torch.Tensor) -> dict[str, float]:
        found, kept = {}, {}
        for part, values in both.items():
            kept[part] = with_intervals(values[rows], labels[rows])
            found |= {f"{part}/{name}": value for name, value in kept[part].items()}
            recall = class_metrics(confusion_matrix(values[rows], labels[rows]))["recall"]
            found |= {f"{part}/recall/{name}": value for name, value in zip(names, recall.tolist())}
        differences = [k for k in DIFFERENCES if k in kept["primary"]]
        return found | {f"difference/{k}": kept["corrected"][k] - kept["primary"][k] for k in differences}

    bounds = intervals(statistic, len(labels), seed, resamples, clusters, title)
    view: dict[str, Any] = {}
    for part, values in both.items():
        view[part] = all_metrics(values, labels)
        confusion = confusion_matrix(values, labels)
        if bounds and clusters is None:  # single images are independent draws, frames of a video are not
            bounds |= {f"{part}/{name}": interval for name, interval in share_intervals(confusion, names).items()}
        for figure, by_class in class_metrics(confusion).items():
            view[part][f"{figure}_by_class"] = dict(zip(names, by_class.tolist()))
        view[part]["confusion"] = confusion.tolist()
        view[part]["reliability_bins"] = reliability_bins(values, labels)
        view[part] |= selective_tables(values, labels)
        if bounds:
            view[part]["intervals"] = {
                name: bounds[f"{part}/{name}"]
                for name in view[part]
                if f"{part}/{name}" in bounds and name != "samples"
            }
            view[part]["intervals"]["recall_by_class"] = {name: bounds[f"{part}/recall/{name}"] for name in names}
    view["balancing"] = balancing_effect(primary, corrected, labels, names)
    view["balancing"]["difference"] = {k: view["corrected"][k] - view["primary"][k] for k in DIFFERENCES}
    if bounds:
        view["balancing"]["intervals"] = {
            k: bounds[f"difference/{k}"] for k in DIFFERENCES if f"difference/{k}" in bounds
        }
    return view


def share_intervals(confusion: torch.Tensor, names: Sequence[str]) -> dict[str, list[float]]:
    """Intervals of accuracy and of recall/CLASS, from counts (N, N)."""
    hits, support = confusion.diag().tolist(), confusion.sum(1).tolist()
    by_class = {f"recall/{name}": wilson_interval(*counts) for name, *counts in zip(names, hits, support)}
    return {"accuracy": wilson_interval(sum(hits), sum(support))} | by_class


def selective_tables(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, list]:
    """Risk-coverage curve, histograms and threshold tables: by the confidence of Eq. 10 and by the top probability."""
    correct = is_correct(distributions, labels)
    scores = {"confidence": confidence(distributions), "top_probability": top_probability(distributions)}
    tables = {"risk_coverage": curve_points(scores["confidence"], correct)}
    for name, mask in (("right", correct), ("wrong", ~correct)):
        tables[f"confidence_histogram_{name}"] = torch.histc(scores["confidence"][mask], 20, 0, 1).int().tolist()
    return tables | {f"{name}_thresholds": threshold_table(values, correct) for name, values in scores.items()}


def measure(
    collected: Collected,
    data: EvaluationData,
    model_names: Sequence[str],
    num_anchors: int | None,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """
    Every figure but robustness.

    Args:
        collected: in canonical order, its distributions over the classes of `data`.
        model_names: all classes of the model.
        num_anchors: of each of them, None for a model without anchors.
    """
    names = data.label_names
    labels = data.labels[collected.rows]
    labelled = np.flatnonzero(labels >= 0)
    seen, truth = collected.select(labelled), torch.from_numpy(labels[labelled])
    clusters = None if data.clusters is None else data.clusters[seen.rows]
    repeats = repeated(seen, data)
    unique = torch.from_numpy(~repeats)
    result: dict[str, Any] = {}
    for view, prefix in (("plain", ""), ("mirror_averaged", "mirror_")):
        both = [seen.distributions.get(prefix + part) for part in ANSWERS]
        if both[0] is None:
            continue
        measured = all_metrics if view == "plain" else classification_metrics
        result[view] = view_metrics(*both, truth, names, clusters, seed, resamples, f"intervals, {view}", measured)
        if repeats.any():
            of_unique = (values[unique] for values in both)
            some = None if clusters is None else clusters[unique.numpy()]
            title = "intervals, no duplicates"
            result[view]["without_duplicates"] = headline(
                view_metrics(*of_unique, truth[unique], names, some, seed, resamples, title, classification_metrics)
            )
        else:
            result[view]["without_duplicates"] = headline(result[view])
    result["plain"]["balancing"]["mean_confidences"] = mean_confidences(seen.distributions, truth)
    if data.votes is not None:
        result["agreement"] = measure_agreement(collected, data, seed, resamples)
    if seen.nearest_anchor is not None or collected.embeddings is not None:
        result["embedding_space"] = measure_embeddings(seen, data, labels[labelled], model_names, num_anchors)
    if data.groups:
        result["groups"] = {
            column: {
                part: group_metrics(
                    [values[row] for row in seen.rows], seen.distributions[part], truth, seed, resamples, clusters
                )
                for part in ANSWERS
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
        for part in ANSWERS
    }


def repeated(seen: Collected, data: EvaluationData) -> np.ndarray:
    """(M,) bool: known to repeat an earlier image or, of the others, all but one of those that share their pixels."""
    known = np.zeros(len(seen.rows), bool) if data.repeats is None else data.repeats[seen.rows]
    others = np.flatnonzero(~known)
    kept = others[np.unique(seen.digests[others], return_index=True)[1]]
    again = np.ones(len(known), bool)
    again[kept] = False
    return again


def measure_agreement(collected: Collected, data: EvaluationData, seed: int, resamples: int) -> dict[str, Any]:
    """On all images with votes; `of_labelled`, without intervals, on those on which accuracy is measured."""
    votes = data.votes[collected.rows]
    voted = np.flatnonzero(votes.sum(1) > 0)
    seen, votes = collected.select(voted), torch.from_numpy(votes[voted])
    labelled = torch.from_numpy(data.labels[seen.rows] >= 0)
    clusters = None if data.clusters is None else data.clusters[seen.rows]
    both = {part: seen.distributions[part] for part in ANSWERS}

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
        if labelled.any():
            result[part]["of_labelled"] = agreement_metrics(votes[labelled], values[labelled])
    return result


def measure_embeddings(
    seen: Collected, data: EvaluationData, labels: np.ndarray, model_names: Sequence[str], num_anchors: int | None
) -> dict[str, Any]:
    """Anchors count by all of the model's classes, whichever the data shows."""
    result: dict[str, Any] = {}
    if seen.embeddings is not None:
        of_sample = data.labels[seen.embedding_rows]
        known = of_sample >= 0
        result |= {"samples": int(known.sum()), **cluster_scores(seen.embeddings[known], of_sample[known])}
    if seen.nearest_anchor is not None and num_anchors:
        result["anchor_usage"] = anchor_usage(seen.nearest_anchor, data.classes[labels], num_anchors, model_names)
    return result


def summary(plain: dict[str, Any]) -> dict[str, Any]:
    """The handful of figures that a reader wants first, of the corrected distribution on single views."""
    corrected, balancing = plain["corrected"], plain["balancing"]
    recalls = {name: recall for name, recall in corrected["recall_by_class"].items() if not math.isnan(recall)}
    weakest = min(recalls, key=recalls.get)
    return {
        "samples": corrected["samples"],
        "accuracy": corrected["accuracy"],
        "accuracy_interval": corrected.get("intervals", {}).get("accuracy"),
        "macro_recall": corrected["macro_recall"],
        "expected_calibration_error": corrected["expected_calibration_error"],
        "overconfidence": corrected["overconfidence"],
        "overconfidence_interval": corrected.get("intervals", {}).get("overconfidence"),
        "accuracy_at_coverage_80": corrected["accuracy_at_coverage_80"],
        "accuracy_change_by_balancing": balancing["difference"]["accuracy"],
        "accuracy_change_interval": balancing.get("intervals", {}).get("accuracy"),
        "macro_recall_change_by_balancing": balancing["difference"]["macro_recall"],
        "macro_recall_change_interval": balancing.get("intervals", {}).get("macro_recall"),
        **{name: balancing[name] for name in ("labels_changed", "mended", "spoilt")},
        "weakest_class": weakest,
        "weakest_recall": recalls[weakest],
        "weakest_interval": corrected.get("intervals", {}).get("recall_by_class", {}).get(weakest),
        "weakest_support": corrected["support_by_class"][weakest],
    }


def json_text(metrics: dict[str, Any]) -> str:
    """metrics.json, with every innermost list on a line of its own."""
    text = json.dumps(metrics, indent=1)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


def as_json(value: Any) -> Any:
    """Rounded, and None for what is no number."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DIGITS)
    return value
