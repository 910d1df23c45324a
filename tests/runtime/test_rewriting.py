import copy

import pytest
import torch
from torch import nn

from grefel_hf import GReFELForImageClassification
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1Conv
from grefel_hf.model.modeling_grefel import GReFELCrossFusion
from grefel_hf.runtime.rewriting import (
    PaddingConv,
    ScaledPReLU,
    SplitPReLU,
    UnscaledFusion,
    fold_batch_norms,
    fold_layer_scales,
    pad_in_convolutions,
    scale_prelus,
    split_prelus,
)
from tests.helpers.tiny import tiny_config


def lively(model: GReFELForImageClassification) -> GReFELForImageClassification:
    """Norms, biases, scales and slopes that do something; PReLUs learn slopes below 0 and above 1, too."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
            elif isinstance(module, nn.PReLU):
                module.weight.uniform_(-1.0, 2.0)
            elif isinstance(module, nn.Linear):
                module.bias.uniform_(-0.5, 0.5)
            elif isinstance(module, GReFELCrossFusion):
                module.attention_scale.uniform_(-1.0, 1.0)
                module.mlp_scale.uniform_(-1.0, 1.0)
    return model


@pytest.mark.parametrize("rewrite", [fold_batch_norms, fold_layer_scales, split_prelus])
@pytest.mark.parametrize("backbone", ["mobilefacenet", "iresnet50"])
@torch.no_grad()
def test_rewriting_changes_no_output(rewrite, backbone):
    torch.manual_seed(0)
    size = 32 if backbone == "iresnet50" else 64
    config = tiny_config(
        image_backbone=backbone, image_backbone_size=size, iresnet_depths=(1, 2, 1), landmark_head=True
    )
    model = lively(GReFELForImageClassification(config).double().eval())
    rewritten = copy.deepcopy(model)
    rewrite(rewritten)
    pixels = torch.randn(2, 3, 64, 64).double()
    expected = model(pixels)
    for name, value in rewritten(pixels).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-5)
    left = [type(module) for module in rewritten.modules()]
    if rewrite is split_prelus:
        assert nn.PReLU not in left and SplitPReLU in left
    elif rewrite is fold_layer_scales:
        assert GReFELCrossFusion not in left and left.count(UnscaledFusion) == 3
    else:
        # The first norm of a unit of IR-50 stands before its convolution, whose padding keeps it from being folded.
        units = sum(config.iresnet_depths) if backbone == "iresnet50" else 0
        assert left.count(nn.BatchNorm2d) == units


@torch.no_grad()
def test_scaled_prelus_leave_the_rest_to_the_next_convolution():
    torch.manual_seed(0)
    model = lively(GReFELForImageClassification(tiny_config()).double().eval())
    backbone = model.grefel.pyramid.landmark_backbone
    for module in backbone.modules():
        if isinstance(module, nn.PReLU):
            module.weight.uniform_(-1.0, 0.9)
    backbone.stage1[1].expand.activation.weight[0] = 1.0  # no kink to divide by
    fold_batch_norms(model)
    pixels = torch.randn(2, 3, 64, 64).double()
    expected = model(pixels)
    scale_prelus(model)
    for name, value in model(pixels).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-5)
    kinds = [type(module) for module in backbone.modules()]
    # The last one is read twice, by the fusion and by the landmark head.
    assert kinds.count(nn.PReLU) == 2 and kinds.count(ScaledPReLU) == 11


@pytest.mark.parametrize("side", [8, 9])
@torch.no_grad()
def test_a_convolution_pads_itself(side):
    unit = nn.Sequential(MobileNetV1Conv(3, 4, 3, stride=2)).eval()
    fold_batch_norms(unit)
    maps = torch.randn(2, 3, side, side + 1)
    expected = unit(maps)
    pad_in_convolutions(unit)
    assert isinstance(unit[0], PaddingConv)
    torch.testing.assert_close(unit(maps), expected)
