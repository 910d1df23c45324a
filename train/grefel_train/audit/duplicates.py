"""Which images show the same picture: pixel by pixel, nearly, or mirrored."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

THUMBNAIL_SIDE = 16
NEAR = 0.95  # least correlation of two thumbnails: all 26 such pairs of FER+ validation (seen by eye) show one photo
BLOCK = 2048  # rows of the table of correlations at a time


class Pair(NamedTuple):
    """Two images, by their positions, the earlier one first, and how they are alike: exact, near or mirrored."""

    first: int
    second: int
    kind: str


def thumbnails(pixel_values: torch.Tensor) -> torch.Tensor:
    """
    Pixel values (B, 3, S, S) as small grey pictures (B, 256) of mean 0 and length 1, whose products are correlations;
    zeros for a picture of one shade.
    """
    small = torch.nn.functional.adaptive_avg_pool2d(pixel_values.mean(1, keepdim=True), THUMBNAIL_SIDE).flatten(1)
    centred = small - small.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-3, centred / length.clamp_min(1e-3), 0.0)


def mirrored(pictures: np.ndarray) -> np.ndarray:
    """Thumbnails (M, 256) seen in a mirror."""
    return pictures.reshape(len(pictures), THUMBNAIL_SIDE, THUMBNAIL_SIDE)[:, :, ::-1].reshape(len(pictures), -1)


def find_pairs(digests: np.ndarray, pictures: np.ndarray, near: float = NEAR) -> list[Pair]:
    """
    Args:
        digests: (M,) equal for equal pixels.
        pictures: (M, 256) by `thumbnails`.
        near: least correlation of two pictures that are nearly the same.

    Returns:
        Pairs in the order of their images; every copy of a picture is paired with the first one only.
    """
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    earliest = first[inverse]
    pairs = [Pair(int(earliest[i]), i, "exact") for i in range(len(digests)) if earliest[i] != i]
    distinct = np.flatnonzero(earliest == np.arange(len(digests)))
    kinds = {"near": pictures[distinct], "mirrored": mirrored(pictures[distinct])}
    known = set()
    for kind, others in kinds.items():
        for start in range(0, len(distinct), BLOCK):
            table = pictures[distinct[start : start + BLOCK]] @ others[start:].T
            for row, column in np.argwhere(table >= near):
                pair = (int(distinct[start + row]), int(distinct[start + column]))
                if row < column and pair not in known:
                    known.add(pair)
                    pairs.append(Pair(*pair, kind))
    return sorted(pairs)


def groups_of(pairs: list[Pair], groups: np.ndarray) -> np.ndarray:
    """
    (M,) a number for each set of images that pairs or common groups connect, be it of one image.

    Args:
        groups: (M,) a number for each group of the data, -1 for none.
    """
    first, second = np.array([pair[:2] for pair in pairs], int).reshape(-1, 2).T
    count, grouped = len(groups), np.flatnonzero(groups >= 0)
    rows, columns = np.append(first, grouped), np.append(second, count + groups[grouped])  # a node for each group
    size = count + groups.max(initial=-1) + 1
    return connected_components(coo_array((np.ones(len(rows)), (rows, columns)), (size, size)))[1][:count]
