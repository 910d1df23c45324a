"""
EAC: attention that must stay the same when the image is mirrored and a part of it erased.

Zhang, Wang, Ling, Deng: "Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression Recognition",
ECCV 2022, section 3. Here on a grid of stored features in place of a trained backbone: a rectangle of cells is
erased, not of pixels, and the mirrored image is the other stored copy.
"""

import torch
from torch import nn

CONSISTENCY_WEIGHT = 5.0  # lambda
ERASED = (0.02, 0.25)  # share of the cells, as their random erasing of pixels


class EAC(nn.Module):
    """
    Global average pooling and one linear layer, whose weights make the attention maps.

    `forward` maps cells (B, T, D) to logits (B, N) and attention maps (B, N, T).

    Args:
        token_size: D.
        num_labels: N.
    """

    def __init__(self, token_size: int, num_labels: int):
        super().__init__()
        self.classifier = nn.Linear(token_size, num_labels)

    def forward(self, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = cells @ self.classifier.weight.t()  # (B, T, N)
        return maps.mean(1) + self.classifier.bias, maps.transpose(1, 2)


def consistency_loss(maps: torch.Tensor, mirrored: torch.Tensor, side: int) -> torch.Tensor:
    """
    Mean squared difference between the attention of images and that of their mirrored ones, mirrored back.

    Args:
        maps, mirrored: (B, N, levels * side * side).
        side: cells of the grid in a row.
    """
    back = mirrored.unflatten(-1, (-1, side, side)).flip(-1).flatten(2)
    return (maps - back).square().mean()


def erased(cells: torch.Tensor, side: int) -> torch.Tensor:
    """Cells (B, levels * side * side, D) with a rectangle at random set to 0 in each image, the same at all levels."""
    count = len(cells)
    share = torch.empty(count).uniform_(*ERASED)
    height = (share.sqrt() * side).round().clamp(1, side)
    width = (share * side**2 / height).round().clamp(1, side)
    top, left = (torch.rand(count) * (side - length + 1) for length in (height, width))
    places = torch.arange(side)
    rows = (places >= top.floor()[:, None]) & (places < (top.floor() + height)[:, None])  # (B, side)
    columns = (places >= left.floor()[:, None]) & (places < (left.floor() + width)[:, None])
    kept = ~(rows[:, :, None] & columns[:, None, :]).flatten(1)  # (B, side * side)
    return cells * kept.repeat(1, cells.shape[1] // side**2)[..., None].to(cells)
