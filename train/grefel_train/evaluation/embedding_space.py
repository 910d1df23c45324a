"""The embedding space (the paper's Fig. 5): how well classes part in it, and what the anchors do there."""

from collections.abc import Sequence

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score


def cluster_scores(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    Davies-Bouldin (low is good) and Calinski-Harabasz (high is good) of embeddings (M, D) grouped by their true
    labels (M,); NaN for a single class or one image a class.
    """
    if not 2 <= len(np.unique(labels)) < len(labels):
        return {"davies_bouldin": np.nan, "calinski_harabasz": np.nan}
    return {
        "davies_bouldin": float(davies_bouldin_score(embeddings, labels)),
        "calinski_harabasz": float(calinski_harabasz_score(embeddings, labels)),
    }


def anchor_usage(nearest: np.ndarray, labels: np.ndarray, num_anchors: int, names: Sequence[str]) -> dict:
    """
    Args:
        nearest: (M,) index of each image's nearest anchor, class * num_anchors + number.
        labels: (M,) true classes.

    Returns:
        images (by class, how many have each of its anchors as their nearest), dead (how many anchors are nobody's
        nearest) and purity (the share of images whose nearest anchor is of their own class).
    """
    counts = np.bincount(nearest, minlength=len(names) * num_anchors).reshape(len(names), num_anchors)
    return {
        "images": {name: row.tolist() for name, row in zip(names, counts)},
        "anchors": counts.size,
        "dead": int((counts == 0).sum()),
        "purity": float((nearest // num_anchors == labels).mean()),
    }


def project(embeddings: np.ndarray, anchors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """t-SNE of embeddings (M, D) and anchors (A, D) together: coordinates (M, 2) and (A, 2)."""
    points = np.concatenate([embeddings, anchors])
    perplexity = min(30.0, (len(points) - 1) / 3)
    coordinates = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
    return coordinates[: len(embeddings)], coordinates[len(embeddings) :]
