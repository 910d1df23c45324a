"""Windows over feature maps and their relative positions (section 3.1 of the paper), as pure functions."""

import torch


def partition_windows(maps: torch.Tensor, window_size: int) -> torch.Tensor:
    """
    Cut maps into square windows that do not overlap.

    Args:
        maps: (B, H, W, C); H and W are multiples of `window_size`.
        window_size: side of a window, in cells.

    Returns:
        (B * H/window_size * W/window_size, window_size ** 2, C), windows in row-major order within an image.
    """
    height, width, channels = map(int, maps.shape[1:])  # int: constants in an ONNX trace, which has the batch free
    if width == window_size:  # the cells are in order, and a transposition would be a copy in ONNX
        return maps.reshape(-1, window_size * window_size, channels)
    windows = maps.view(-1, height // window_size, window_size, width // window_size, window_size, channels)
    windows = windows.transpose(2, 3)  # (B, rows, w, columns, w, C) -> (B, rows, columns, w, w, C)
    return windows.reshape(-1, window_size * window_size, channels)


def merge_windows(windows: torch.Tensor, window_size: int, height: int, width: int) -> torch.Tensor:
    """
    Inverse of `partition_windows`.

    Args:
        windows: (B * H/window_size * W/window_size, window_size ** 2, C).
        window_size: side of a window, in cells.
        height, width: H and W of the maps, in cells.

    Returns:
        (B, H, W, C).
    """
    rows, columns, channels = height // window_size, width // window_size, int(windows.shape[-1])
    if columns == 1:
        return windows.reshape(-1, height, width, channels)
    maps = windows.view(-1, rows, columns, window_size, window_size, channels)
    maps = maps.transpose(2, 3)  # (B, rows, columns, w, w, C) -> (B, rows, w, columns, w, C)
    return maps.reshape(-1, height, width, channels)


def relative_position_index(window_size: int) -> torch.Tensor:
    """
    For each pair of cells of a window, the row of a bias table that belongs to their offset.

    Returns:
        int64 (window_size ** 2, window_size ** 2) with values in [0, (2 * window_size - 1) ** 2): offsets (dy, dx) of
        query minus key, row-major from (1 - window_size, 1 - window_size).
    """
    axis = torch.arange(window_size)
    cells = torch.cartesian_prod(axis, axis)  # (M, 2)
    offsets = cells[:, None] - cells[None] + window_size - 1  # (M, M, 2)
    return offsets[..., 0] * (2 * window_size - 1) + offsets[..., 1]
