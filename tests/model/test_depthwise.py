"""Strided depthwise convolutions: float32 where a CPU trains in mixed precision, plain everywhere else."""

import torch
from torch import nn

from grefel_hf.model.depthwise import StridedDepthwiseConv2d


def convolutions() -> tuple[StridedDepthwiseConv2d, nn.Conv2d]:
    """One of ours and one of torch's, with the same weights."""
    torch.manual_seed(0)
    settings = dict(in_channels=8, out_channels=8, kernel_size=3, stride=2, groups=8, bias=False)
    ours, plain = StridedDepthwiseConv2d(**settings), nn.Conv2d(**settings)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def gradients(convolution: nn.Conv2d, maps: torch.Tensor, **autocast) -> tuple[torch.Tensor, torch.Tensor, torch.dtype]:
    maps = maps.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, **autocast):
        out = convolution(maps)
    out.float().square().sum().backward()
    return maps.grad, convolution.weight.grad, out.dtype


def test_training_in_mixed_precision_has_the_gradients_of_float32():
    ours, plain = convolutions()
    maps = torch.randn(2, 8, 9, 9, dtype=torch.bfloat16).float()
    for mixed, exact in zip(gradients(ours, maps)[:2], gradients(plain, maps, enabled=False)[:2]):
        assert torch.equal(mixed, exact)  # in bfloat16 it would be off by some thousandths


def test_the_dtype_of_the_maps_is_kept():
    ours, _ = convolutions()
    assert gradients(ours, torch.randn(2, 8, 9, 9, dtype=torch.bfloat16))[2] == torch.bfloat16


@torch.no_grad()
def test_without_gradients_it_is_a_plain_convolution():
    ours, plain = convolutions()
    maps = torch.randn(2, 8, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(maps).dtype == torch.bfloat16 and torch.equal(ours(maps), plain(maps))
    assert torch.equal(ours(maps), plain(maps))
