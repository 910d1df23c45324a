import numpy as np
import torch

from grefel_train.audit.duplicates import Pair, find_pairs, groups_of, thumbnails


def pictures(*images: np.ndarray) -> np.ndarray:
    """Thumbnails of greys (64, 64)."""
    return thumbnails(torch.from_numpy(np.stack(images)).float()[:, None].expand(-1, 3, -1, -1)).numpy()


def test_copies_near_copies_and_mirrored_ones_are_paired_and_nothing_else():
    random = np.random.default_rng(0)
    one, other = random.random((2, 64, 64))
    brighter = 0.5 * one + 0.3 + 0.01 * random.random((64, 64))
    flat = np.full((64, 64), 0.5)
    found = pictures(one, other, one, brighter, one[:, ::-1], flat, flat + 0.1)
    pairs = find_pairs(np.array([1, 2, 1, 3, 4, 5, 6]), found)
    assert Pair(0, 2, "exact") in pairs and Pair(0, 3, "near") in pairs and Pair(0, 4, "mirrored") in pairs
    assert {pair[:2] for pair in pairs} == {(0, 2), (0, 3), (0, 4), (3, 4)}  # plain greys look like nothing
    assert groups_of(pairs, np.full(7, -1)).tolist() == [0, 1, 0, 0, 0, 2, 3]


def test_no_pairs_are_groups_of_one():
    assert groups_of([], np.full(3, -1)).tolist() == [0, 1, 2]


def test_groups_of_the_data_stay_together_with_their_copies():
    assert groups_of([Pair(0, 3, "near")], np.array([0, 1, 1, -1, 0, -1])).tolist() == [0, 1, 1, 0, 0, 2]


def test_pairs_of_distant_rows_are_found_in_blocks(monkeypatch):
    monkeypatch.setattr("grefel_train.audit.duplicates.BLOCK", 3)
    images = np.random.default_rng(1).random((8, 64, 64))
    images[7] = images[1] * 0.9
    assert find_pairs(np.arange(8), pictures(*images)) == [Pair(1, 7, "near")]
