"""Every metric of the repository, on distributions and class ids, from torchmetrics."""

import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
    multiclass_recall,
)

CALIBRATION_BINS = 15


def classification_metrics(distributions: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """
    Args:
        distributions: (M, N).
        labels: class ids (M,).

    Returns:
        accuracy, macro_recall and macro_f1 (unweighted means over classes), expected_calibration_error (15 bins of
        equal width, on the top probability), samples.
    """
    num_labels = distributions.shape[-1]
    top = distributions.argmax(-1)
    calibration = multiclass_calibration_error(distributions, labels, num_labels, n_bins=CALIBRATION_BINS, norm="l1")
    return {
        "accuracy": multiclass_accuracy(top, labels, num_labels, average="micro").item(),
        "macro_recall": multiclass_recall(top, labels, num_labels, average="macro").item(),
        "macro_f1": multiclass_f1_score(top, labels, num_labels, average="macro").item(),
        "expected_calibration_error": calibration.item(),
        "samples": len(labels),
    }


def recall_by_class(distributions: torch.Tensor, labels: torch.Tensor, names: list[str]) -> dict[str, float]:
    """Recall of each class by name. Shapes as in `classification_metrics`."""
    recall = multiclass_recall(distributions.argmax(-1), labels, len(names), average="none")
    return dict(zip(names, recall.tolist()))
