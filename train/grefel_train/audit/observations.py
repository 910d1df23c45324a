"""What a frozen checkpoint says about every image: one pass, from which all of the audit follows."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch.utils.data import DataLoader

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.reliability_balancing import PROBABILITY_EPSILON, confidence
from grefel_hf.reliability import Answerability
from grefel_train.audit.duplicates import thumbnails
from grefel_train.data.class_names import class_names, same_classes
from grefel_train.evaluation.collect import EvaluationFaces, model_outputs
from grefel_train.evaluation.forward import concatenated, forward_batches

DISTRIBUTIONS = ("primary", "geometric", "attentive", "corrected")
KEPT = ("corrected", "nearest_anchor", "answerability")


@dataclass(frozen=True)
class Observations:
    """
    Of M images that could be read:

    Attributes:
        positions: (M,) which images they are.
        digests: (M,) equal for equal pixels.
        features: (M, F) embedding and the logarithms of all distributions that the model has.
        corrected: (M, N) corrected distribution over the classes of the data; None where the model lacks one of them.
        nearest_anchor: (M,) the class of the nearest anchor among the data's, -1 for another; None without anchors.
        confidence: (M,) confidence of the corrected distribution (Eq. 10).
        pictures: (M, 256) thumbnails, see `duplicates`.
        is_answerable: (M,) bool, whether the model's reliability.json takes it for a face that can be read; None of a
            model without.
    """

    positions: np.ndarray
    digests: np.ndarray
    features: np.ndarray
    corrected: np.ndarray | None
    nearest_anchor: np.ndarray | None
    confidence: np.ndarray
    pictures: np.ndarray
    is_answerable: np.ndarray | None = None


def observe(
    model: GReFELForImageClassification,
    processor: GReFELImageProcessor,
    images: Dataset,
    label_names: Sequence[str],
    args: argparse.Namespace,
    accelerator: Accelerator,
    answerability: Answerability | None = None,
) -> Observations:
    """
    Args:
        model: in eval mode, on the accelerator's device.
        label_names: the classes of the data, of which the model need not know any.
        args: batch_size, num_workers, on_bad_image.
        answerability: of the model's reliability.json.

    Raises:
        BadImageError: an image cannot be read and --on_bad_image is "error".
        ValueError: none can be read.
    """
    found_classes = same_classes(label_names, class_names(model.config))

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = model_outputs(model, pixel_values, answerability=answerability)
        logs = [outputs[name].clamp_min(PROBABILITY_EPSILON).log() for name in DISTRIBUTIONS if name in outputs]
        kept = {name: outputs[name] for name in KEPT if name in outputs}
        features = torch.cat([outputs["embedding"], *logs], dim=1).float()
        return kept | {"features": features, "pictures": thumbnails(pixel_values)}

    faces = EvaluationFaces(images, processor, on_bad_image=args.on_bad_image)
    loader = accelerator.prepare(DataLoader(faces, args.batch_size, num_workers=args.num_workers))
    found = concatenated(forward_batches(answers, loader, processor, accelerator, title="images"))
    read = found["row"] >= 0
    if not read.any():
        raise ValueError("no image could be read.")
    found = {name: values[read].numpy() for name, values in found.items()}
    nearest = None
    if model.anchors is not None:
        of_model = {known: index for index, known in enumerate(found_classes) if known is not None}
        classes = found["nearest_anchor"] // model.config.num_anchors
        nearest = np.array([of_model.get(index, -1) for index in classes.tolist()])
    return Observations(
        positions=found["row"],
        digests=found["digest"],
        features=found["features"],
        corrected=None if None in found_classes else shares(found["corrected"][:, found_classes]),
        nearest_anchor=nearest,
        confidence=confidence(torch.from_numpy(found["corrected"])).numpy(),
        pictures=found["pictures"],
        is_answerable=answerability and found["answerability"] >= answerability.threshold,
    )


def shares(weights: np.ndarray) -> np.ndarray:
    """Non-negative rows (M, N), brought to a sum of 1."""
    weights = np.maximum(weights, PROBABILITY_EPSILON)
    return weights / weights.sum(1, keepdims=True)
