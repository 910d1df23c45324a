"""Anchors among the embeddings: started by k-means, and dead ones placed anew."""

import torch
from sklearn.cluster import KMeans

from grefel_hf.model.reliability_balancing import GReFELAnchors


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
