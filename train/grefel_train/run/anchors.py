"""Anchors among the embeddings: started by k-means, and dead ones placed anew."""

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch.utils.data import DataLoader, Subset

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.reliability_balancing import GReFELAnchors
from grefel_train.data.dataset import FaceDataset
from grefel_train.evaluation.forward import concatenated, forward_batches

IMAGES = 2000  # at most, by whose embeddings anchors are placed


@torch.no_grad()
def place_anchors(anchors: GReFELAnchors, embeddings: torch.Tensor, labels: torch.Tensor, seed: int = 0):
    """
    Put the anchors of each class at the k-means centres of its embeddings, as the anchors' distance sees them.

    Args:
        embeddings: (M, D).
        labels: (M,) class ids. A class with fewer embeddings than anchors keeps the rest of its anchors where they are.
    """
    points = anchors.comparable(embeddings.float())
    for label, positions in enumerate(anchors.positions):
        own = points[labels == label]
        if count := min(len(own), len(positions)):
            centres = KMeans(count, n_init=1, random_state=seed).fit(own.cpu().numpy()).cluster_centers_
            positions[:count] = torch.from_numpy(centres).to(positions)


@torch.no_grad()
def replace_dead_anchors(anchors: GReFELAnchors, embeddings: torch.Tensor, labels: torch.Tensor) -> int:
    """
    Move anchors that are the nearest of their class to none of its embeddings onto the one that is farthest from all.

    Args:
        embeddings: (M, D).
        labels: (M,) class ids.

    Returns:
        How many were moved.
    """
    moved = 0
    for label, positions in enumerate(anchors.positions):
        own = embeddings[labels == label].float()
        if not len(own):
            continue
        nearest, index = anchors.squared_distances(own)[:, label].min(-1)  # (M,)
        for dead in sorted(set(range(len(positions))) - set(index.tolist())):
            farthest = int(nearest.argmax())
            positions[dead] = anchors.comparable(own[farthest]).to(positions)
            nearest = torch.minimum(nearest, anchors.squared_distances(own)[:, label, dead])
            moved += 1
    return moved


def embeddings_for_anchors(
    model: GReFELForImageClassification, faces: FaceDataset, processor: GReFELImageProcessor, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Embeddings (M, D) of at most `IMAGES` training images, unaugmented and always the same, and their class ids (M,).

    Args:
        model: in eval mode.
        faces: whose size is larger than the model's where it is cropped at random.
    """
    rows = np.random.default_rng(0).permutation(len(faces))[:IMAGES]
    plain = FaceDataset(faces.data, processor, faces.label_column, faces.image_column, on_bad_image=faces.on_bad_image)

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"embedding": model.grefel(pixel_values.to(model.device)).pooler_output.float()}

    found = concatenated(forward_batches(answers, DataLoader(Subset(plain, rows.tolist()), batch_size), processor))
    labels = found["labels"]
    return found["embedding"], labels.argmax(-1) if labels.ndim == 2 else labels
