"""A model over a dataset: distributions and labels, gathered over processes, every sample once."""

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from grefel_hf import GReFELImageProcessor
from grefel_train.data.dataset import normalize, to_unit_range
from grefel_train.evaluation.metrics import classification_metrics

CONFIDENCES = ("primary_confidence", "geometric_confidence", "attentive_confidence", "corrected_confidence")


@torch.no_grad()
def predict(
    model: Callable,
    loader: DataLoader,
    processor: GReFELImageProcessor,
    accelerator: Accelerator,
) -> dict[str, torch.Tensor]:
    """
    Args:
        model: in eval mode, on the accelerator's device.
        loader: prepared by the accelerator; batches of `FaceDataset`.

    Returns:
        `primary` and `corrected` distributions (M, N), `labels` (M,) or (M, N) and the confidences (M,) of the parts
        that the model has, on the CPU, in the loader's order.
    """
    gathered: dict[str, list[torch.Tensor]] = {}
    for batch in loader:
        output = model(pixel_values=normalize(to_unit_range(batch["pixels"]), processor))
        results = {"primary": output.primary_logits.softmax(-1), "corrected": output.logits.softmax(-1)}
        results |= {name: output[name] for name in CONFIDENCES if output.get(name) is not None}
        results["labels"] = batch["labels"]
        for name, values in accelerator.gather_for_metrics(results).items():
            gathered.setdefault(name, []).append(values.cpu())
    return {name: torch.cat(values) for name, values in gathered.items()}


def balancing_metrics(predictions: dict[str, torch.Tensor]) -> dict[str, dict[str, Any]]:
    """`classification_metrics` of the primary and of the corrected distribution; soft labels count by their top."""
    labels = predictions["labels"]
    labels = labels.argmax(-1) if labels.ndim == 2 else labels
    return {name: classification_metrics(predictions[name], labels) for name in ("primary", "corrected")}


def mean_confidences(predictions: dict[str, torch.Tensor]) -> dict[str, float]:
    """Mean confidence of each distribution that the model has."""
    return {name: predictions[name].mean().item() for name in CONFIDENCES if name in predictions}
