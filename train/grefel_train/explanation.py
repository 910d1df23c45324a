"""What a network usually does with a face, from what it said of many: the average attention, the anchors on a plane."""

import numpy as np

from grefel_hf.explanation import AnchorMap

STEPS = 500  # of the layout, which stands still long before
LEAST_WEIGHT = 0.1  # of an anchor that no face is near, in the layout, against 1 of the most used one


def anchor_map(points: np.ndarray, similarities: np.ndarray, people: np.ndarray) -> AnchorMap:
    """
    Args:
        points: anchors (N, K, D) as the model's distance compares them.
        similarities: of M faces to them (M, N, K).
        people: the labels (M, N) that people gave to these faces, as distributions.
    """
    use = similarities.mean(0)
    flat = similarities.reshape(len(similarities), -1)
    total = flat.sum(0)[:, None]
    meant = np.divide(flat.T @ people, total, out=np.zeros((flat.shape[1], people.shape[1])), where=total > 1e-6)
    places = planar_layout(points.reshape(-1, points.shape[-1]), use.ravel())
    found = AnchorMap(places.reshape(*use.shape, 2), use, meant.reshape(*use.shape, -1), 0.0)
    on_plane = np.stack([found.place(row) for row in similarities])  # (M, 2)
    nearest = np.square(on_plane[:, None] - places).sum(-1).argmin(1)
    return AnchorMap(found.places, use, found.meant, float((nearest == flat.argmax(1)).mean()))


def planar_layout(points: np.ndarray, use: np.ndarray) -> np.ndarray:
    """
    Points (P, D) on a plane, (P, 2) in [-1, 1], so that distances change as little as they have to (SMACOF, de Leeuw,
    1977); those between much used points count for more. It starts with the two main axes, the used points inside.

    Args:
        use: (P,) weights, of which the largest is above 0.
    """
    distances = np.sqrt(np.square(points[:, None] - points).sum(-1, dtype=np.float64))
    weights = np.maximum(np.sqrt(use / use.max()), LEAST_WEIGHT)
    places = _main_axes(points.astype(np.float64), weights)
    radius = np.maximum(np.linalg.norm(places, axis=1), 1e-9)
    places *= (radius.max() * (1.5 - weights) / radius)[:, None]
    pairs = np.outer(weights, weights)
    np.fill_diagonal(pairs, 0.0)
    inverse = np.linalg.inv(np.diag(pairs.sum(1)) - pairs + pairs.mean())  # the mean takes the shift's zero away
    for _ in range(STEPS):
        now = np.sqrt(np.square(places[:, None] - places).sum(-1))
        pull = -pairs * distances / np.maximum(now, 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(1))
        places = inverse @ (pull @ places)
        places -= places.mean(0)
    places -= np.average(places, axis=0, weights=use)
    return places / max(np.abs(places).max(), 1e-9)


def _main_axes(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(P, 2), weighted principal components, each with the sign that makes its largest entry positive."""
    centred = points - np.average(points, axis=0, weights=weights)
    axes = np.linalg.svd(centred * np.sqrt(weights)[:, None], full_matrices=False)[2][:2]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    return centred @ axes.T
