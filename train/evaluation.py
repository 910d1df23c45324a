"""A model over a dataset: distributions and labels, gathered over processes, every sample once."""

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from face_dataset import normalize, to_unit_range
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from metrics import classification_metrics


@torch.no_grad()
def predict(
    model: GReFELForImageClassification,
    loader: DataLoader,
    processor: GReFELImageProcessor,
    accelerator: Accelerator,
    flip: bool = False,
) -> dict[str, torch.Tensor]:
    """
    Args:
        model: in eval mode, on the accelerator's device.
        loader: prepared by the accelerator; batches of `FaceDataset`.
        flip: average each distribution with that of the mirrored image.

    Returns:
        `primary` and `corrected` distributions (M, N) and `labels` (M,) or (M, N), on the CPU, in the loader's order.
    """
    gathered: dict[str, list[torch.Tensor]] = {"primary": [], "corrected": [], "labels": []}
    for batch in loader:
        images = normalize(to_unit_range(batch["pixels"]), processor)
        views = [images, images.flip(-1)] if flip else [images]
        outputs = [model(pixel_values=view) for view in views]
        results = {
            "primary": torch.stack([o.primary_logits.softmax(-1) for o in outputs]).mean(0),
            "corrected": torch.stack([o.logits.softmax(-1) for o in outputs]).mean(0),
            "labels": batch["labels"],
        }
        for name, values in accelerator.gather_for_metrics(results).items():
            gathered[name].append(values.cpu())
    return {name: torch.cat(values) for name, values in gathered.items()}


def balancing_metrics(predictions: dict[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    """`classification_metrics` of the primary and of the corrected distribution."""
    labels = predictions["labels"]
    return {name: classification_metrics(predictions[name], labels) for name in ("primary", "corrected")}
