"""What a training run measures after an epoch."""

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from grefel_hf import GReFELImageProcessor
from grefel_hf.results import ANSWERS, DISTRIBUTIONS
from grefel_train.data.dataset import BadImageError
from grefel_train.evaluation.forward import concatenated, forward_batches
from grefel_train.evaluation.metrics import classification_metrics

CONFIDENCES = tuple(f"{name}_confidence" for name in DISTRIBUTIONS)


def predict(
    model: Callable,
    loader: DataLoader,
    processor: GReFELImageProcessor,
    accelerator: Accelerator,
    before_batch: Callable[[Accelerator], None] = lambda accelerator: None,
) -> dict[str, torch.Tensor]:
    """
    Args:
        model: in eval mode, on the accelerator's device.
        loader: prepared by the accelerator; batches of `FaceDataset` with `mark_bad`.
        before_batch: called in every process; what it raises ends the pass.

    Returns:
        `primary` and `corrected` distributions (M, N), `labels` (M,) or (M, N) and the confidences (M,) of the parts
        that the model has, of the images that can be read, in the loader's order.

    Raises:
        BadImageError: none can.
    """

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        before_batch(accelerator)
        output = model(pixel_values=pixel_values)
        distributions = {"primary": output.primary_logits.softmax(-1), "corrected": output.logits.softmax(-1)}
        return distributions | {name: output[name] for name in CONFIDENCES if output.get(name) is not None}

    found = concatenated(forward_batches(answers, loader, processor, accelerator))
    readable = found.pop("readable")
    if not readable.any():
        raise BadImageError(f"None of the {len(readable)} validation images can be read.")
    return {name: values[readable] for name, values in found.items()}


def balancing_metrics(predictions: dict[str, torch.Tensor]) -> dict[str, dict[str, Any]]:
    """`classification_metrics` of the primary and of the corrected distribution; soft labels count by their top."""
    labels = predictions["labels"]
    labels = labels.argmax(-1) if labels.ndim == 2 else labels
    return {name: classification_metrics(predictions[name], labels) for name in ANSWERS}


def mean_confidences(predictions: dict[str, torch.Tensor]) -> dict[str, float]:
    """Mean confidence of each distribution that the model has."""
    return {name: predictions[name].mean().item() for name in CONFIDENCES if name in predictions}
