"""Accuracy and calibration of a model on disturbed images, by kind and severity."""

import functools

import numpy as np
import torch
from accelerate import Accelerator

from grefel_hf.results import ANSWERS
from grefel_train.evaluation.collect import EvaluationFaces, collect
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from grefel_train.evaluation.metrics import classification_metrics, mean, top_probability

FIGURES = ("accuracy", "macro_recall", "expected_calibration_error")


def robustness_metrics(distributions: dict[str, torch.Tensor], labels: torch.Tensor) -> dict[str, dict[str, float]]:
    """The metrics of the primary and of the corrected distribution that are followed over severities."""
    found = {}
    for part in ANSWERS:
        metrics = classification_metrics(distributions[part], labels)
        found[part] = {name: metrics[name] for name in FIGURES}
        found[part]["top_probability"] = mean(top_probability(distributions[part]))
    return found


def measure_robustness(
    model,
    faces: EvaluationFaces,
    labels: np.ndarray,
    accelerator: Accelerator,
    batch_size: int,
    num_workers: int,
    classes: np.ndarray,
    seed: int,
) -> dict[str, list[dict]]:
    """
    By kind of corruption, `robustness_metrics` at severities 1 to 5.

    Args:
        faces: the undisturbed images.
        labels: (rows of the data,) class ids.
        classes: as in `collect`.
    """
    found = {}
    for kind in CORRUPTIONS:
        found[kind] = []
        for severity in SEVERITIES:
            disturbed = EvaluationFaces(
                faces.data,
                faces.processor,
                faces.rows,
                functools.partial(corrupt, name=kind, severity=severity, seed=seed),
                faces.on_bad_image,
            )
            title = f"{kind} {severity}"
            seen = collect(model, disturbed, accelerator, batch_size, num_workers, classes=classes, title=title)
            found[kind].append(robustness_metrics(seen.distributions, torch.from_numpy(labels[seen.rows])))
    return found


def robustness_summary(clean: dict, by_kind: dict[str, list[dict]], part: str = "corrected") -> dict:
    """Mean accuracy over kinds and severities, and the kind that costs most of it, with its mean accuracy."""
    means = {kind: float(np.mean([step[part]["accuracy"] for step in steps])) for kind, steps in by_kind.items()}
    worst = min(means, key=means.get)
    return {
        "clean_accuracy": clean[part]["accuracy"],
        "mean_accuracy": float(np.mean(list(means.values()))),
        "worst": worst,
        "worst_mean_accuracy": means[worst],
        "worst_accuracy_at_5": by_kind[worst][-1][part]["accuracy"],
        "mean_accuracy_by_kind": means,
    }
