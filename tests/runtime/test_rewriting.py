import copy

import pytest
import torch
from torch import nn

from grefel_hf import GReFELForImageClassification
from grefel_hf.model.modeling_grefel import GReFELCrossFusion
from grefel_hf.runtime.rewriting import SplitPReLU, UnscaledFusion, fold_batch_norms, fold_layer_scales, split_prelus
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
