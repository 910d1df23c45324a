"""Classifiers that teach: what the layer sees, the share of their opinion, and which files are refused."""

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from grefel_train.run.teachers import ExpressionClassifier, Teachers, save_classifier

NAMES = ["calm", "glad", "sad"]


@pytest.fixture
def networks(tmp_path):
    """Two classifiers, batch norms and layers at random, and their files."""
    torch.manual_seed(0)
    found = []
    for number in range(2):
        network = ExpressionClassifier(3).eval()
        torch.nn.init.normal_(network.classifier.weight, std=0.1)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
        file = tmp_path / f"{number}.safetensors"
        save_classifier(file, network.state_dict(), NAMES)
        found.append((network, file))
    return found


def test_the_layer_sees_the_means_of_the_last_two_maps():
    torch.manual_seed(0)
    model = ExpressionClassifier(8).eval()
    assert model(torch.randn(2, 3, 32, 32)).eq(0).all()  # it starts without an opinion
    torch.nn.init.normal_(model.classifier.weight)
    pixels = torch.randn(2, 3, 64, 64)
    _, middle, high = model.backbone(pixels)
    seen = torch.cat([torch.nn.functional.layer_norm(m.mean((2, 3)), m.shape[1:2]) for m in (middle, high)], -1)
    assert torch.allclose(model(pixels), seen @ model.classifier.weight.T, atol=1e-4)


def test_targets_take_in_the_mean_of_what_the_teachers_say(networks):
    pixels, targets = torch.randn(4, 3, 64, 64), torch.eye(3)[[0, 1, 2, 0]]
    with torch.no_grad():
        opinion = torch.stack([network(pixels).softmax(-1) for network, _ in networks]).mean(0)
    teachers = Teachers([file for _, file in networks], NAMES, 0.25, Accelerator())
    assert torch.allclose(teachers.taught(pixels, targets), 0.75 * targets + 0.25 * opinion, atol=1e-5)
    assert opinion.std(0).min() > 0.01  # they do not say the same of every picture
    assert len(set(teachers.digests)) == 2
    assert Teachers([], NAMES, 0.25, Accelerator()).taught(pixels, targets) is targets


def test_a_file_that_cannot_teach_is_refused(networks, tmp_path):
    (network, file), _ = networks
    with pytest.raises(ValueError, match="knows the classes calm, glad, sad; the data has calm, sad, glad"):
        Teachers([file], ["calm", "sad", "glad"], 0.5, Accelerator())
    save_file(network.backbone.state_dict(), tmp_path / "backbone.safetensors")
    with pytest.raises(ValueError, match="does not name its classes"):
        Teachers([tmp_path / "backbone.safetensors"], NAMES, 0.5, Accelerator())
    with pytest.raises(FileNotFoundError, match="train_backbone.py makes such a file"):
        Teachers([tmp_path / "none.safetensors"], NAMES, 0.5, Accelerator())
