"""MobileNet v1: the maps it promises, TensorFlow's padding, and GReFEL on it."""

import pytest
import torch

from grefel_hf import GReFELForImageClassification
from grefel_hf.model.backbone_mobilenet_v1 import PIXEL_CENTRE, MobileNetV1, pad_as_tensorflow
from tests.helpers.tiny import tiny_config


def tiny_mobilenet_config(**overrides):
    """64-pixel crops, halved maps of 4, 2 and 1 cells, an eighth of the channels."""
    settings = dict(
        image_backbone="mobilenet_v1", mobilenet_width=0.125, landmark_backbone_size=16, window_sizes=(4, 2, 1)
    )
    return tiny_config(**{**settings, **overrides})


@torch.no_grad()
@pytest.mark.parametrize(("size", "sides"), [(160, (20, 10, 5)), (128, (16, 8, 4)), (112, (14, 7, 4))])
def test_maps_have_the_sizes_that_the_config_says(size, sides):
    maps = MobileNetV1(width=0.25).eval()(torch.zeros(1, 3, size, size))
    assert [tuple(m.shape) for m in maps] == [(1, 64 * 2**i, side, side) for i, side in enumerate(sides)]


def test_full_width_has_the_parameters_of_the_published_network():
    parameters = sum(parameter.numel() for parameter in MobileNetV1().parameters())
    assert parameters == 4_231_976 - 1000 * 1025  # Keras' MobileNet less its classifier, running statistics aside


@pytest.mark.parametrize(("side", "before"), [(6, 0), (7, 1)])
def test_padding_is_at_the_end_of_even_sides_and_on_both_of_odd_ones(side, before):
    padded = pad_as_tensorflow(torch.ones(1, 1, side, side))
    assert padded.shape[-1] == side + before + 1
    inside = padded[..., before : before + side, before : before + side]
    assert inside.sum() == padded.sum() == side**2


@torch.no_grad()
def test_the_mean_pixel_is_zero_to_the_network_up_to_its_borders():
    network = MobileNetV1(width=0.125).eval()
    mean_image = torch.tensor(PIXEL_CENTRE).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert (
        network.stem[0]
        .convolution(pad_as_tensorflow(mean_image - torch.tensor(PIXEL_CENTRE).view(3, 1, 1)))
        .eq(0)
        .all()
    )
    low, _, _ = network(mean_image)
    assert (low - low[..., :1, :1]).abs().max() == 0  # no border shows


def test_grefel_on_it_trains_every_part_but_the_landmark_backbone():
    torch.manual_seed(0)
    model = GReFELForImageClassification(tiny_mobilenet_config()).train()
    model(torch.randn(4, 3, 64, 64), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing and all(name.startswith("grefel.pyramid.landmark_backbone.") for name in missing)


@torch.no_grad()
def test_grefel_on_it_is_saved_and_loaded(tmp_path):
    model = GReFELForImageClassification(tiny_mobilenet_config(anchor_distance="cosine")).eval()
    model.save_pretrained(tmp_path)
    loaded = GReFELForImageClassification.from_pretrained(tmp_path).eval()
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(loaded(images).logits, model(images).logits)
