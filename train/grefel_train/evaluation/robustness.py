"""Accuracy and calibration of a model on disturbed images, by kind and severity."""

import functools

import numpy as np
import torch
from accelerate import Accelerator

from grefel_hf.reliability import Reliability
from grefel_hf.results import ANSWERS
from grefel_train.evaluation.certainty import certainty_metrics
from grefel_train.evaluation.collect import Collected, EvaluationFaces, collect
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from grefel_train.evaluation.metrics import classification_metrics, mean, top_probability

FIGURES = ("accuracy", "macro_recall", "expected_calibration_error")


def robustness_metrics(
    seen: Collected, labels: torch.Tensor, reliability: Reliability | None = None
) -> dict[str, dict[str, float]]:
    """
    The metrics of the primary and of the corrected distribution that are followed over severities, and `certainty`
    where there is a reliability.json.
    """
    found: dict[str, dict[str, float]] = {}
    if reliability is not None:
        measured = (seen.distributions[ANSWERS[-1]], seen.answerability, labels)
        found["certainty"] = certainty_metrics(reliability, *measured)
    for part in ANSWERS:
        metrics = classification_metrics(seen.distributions[part], labels)
        found[part] = {name: metrics[name] for name in FIGURES}
        found[part]["top_probability"] = mean(top_probability(seen.distributions[part]))
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
    reliability: Reliability | None = None,
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
            options = {"classes": classes, "title": title, "answerability": reliability and reliability.answerability}
            seen = collect(model, disturbed, accelerator, batch_size, num_workers, **options)
            found[kind].append(robustness_metrics(seen, torch.from_numpy(labels[seen.rows]), reliability))
    return found


def robustness_summary(clean: dict, by_kind: dict[str, list[dict]], part: str = "corrected") -> dict:
    """Mean accuracy over kinds and severities, and the kind that costs most of it, with its mean accuracy."""
    means = {kind: float(np.mean([step[part]["accuracy"] for step in steps])) for kind, steps in by_kind.items()}
    worst = min(means, key=means.get)
    summary = {
        "clean_accuracy": clean[part]["accuracy"],
        "mean_accuracy": float(np.mean(list(means.values()))),
        "worst": worst,
        "worst_mean_accuracy": means[worst],
        "worst_accuracy_at_5": by_kind[worst][-1][part]["accuracy"],
        "mean_accuracy_by_kind": means,
    }
    return summary | ({"certainty": certainty_summary(by_kind)} if "certainty" in clean else {})


def certainty_summary(by_kind: dict[str, list[dict]]) -> dict[str, float]:
    """
    Over kinds and severities: share answered, accuracy of these, their calibration error (the mean over disturbances,
    by how many they leave to answer), and the highest share that is wrong and sure.
    """
    steps = [step["certainty"] for steps in by_kind.values() for step in steps]
    answered = np.array([step["answered"] for step in steps])

    def of_answered(name: str) -> float:
        values = np.array([step[name] for step in steps])
        return float((values * answered)[answered > 0].sum() / max(answered.sum(), 1e-9))

    return {
        "answered": float(answered.mean()),
        "accuracy_of_answered": of_answered("accuracy_of_answered"),
        "expected_calibration_error": of_answered("expected_calibration_error"),
        "most_wrong_and_sure": max(step["wrong_and_sure"] for step in steps),
    }
