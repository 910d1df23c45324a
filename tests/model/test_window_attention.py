"""Windows and relative positions."""

import pytest
import torch

from grefel_hf.model.window_attention import merge_windows, partition_windows, relative_position_index


def test_partition_cuts_row_by_row():
    maps = torch.arange(16).view(1, 4, 4, 1)
    windows = partition_windows(maps, 2)
    assert windows.squeeze(-1).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@pytest.mark.parametrize("window_size", [1, 2, 3, 6])
def test_merge_is_the_inverse_of_partition(window_size):
    maps = torch.randn(2, 6, 12, 5)
    assert torch.equal(merge_windows(partition_windows(maps, window_size), window_size, 6, 12), maps)


def test_relative_position_index_depends_on_the_offset_alone():
    window_size = 3
    index = relative_position_index(window_size).view(3, 3, 3, 3)  # (y, x) of the query, (y, x) of the key
    assert index[0, 0, 2, 2] == 0 and index[2, 2, 0, 0] == 24  # the extremes of a 5 x 5 table
    assert index[1, 1, 1, 1] == 12  # no offset: the middle
    assert index[1, 2, 0, 0] == index[2, 2, 1, 0] == (1 + 2) * 5 + (2 + 2)
    assert index.unique().numel() == 25
