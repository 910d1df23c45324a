"""TensorFlow.js graphs: a made-up file of the kind that MobileNet comes in, read, converted and computed."""

import base64
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from grefel_train.backbones.tfjs import evaluate_graph, read_convolutions, read_graph


def convolution_node(operator: str, name: str, inputs: list[str], stride: int, padding: bytes = b"SAME") -> dict:
    attributes = {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": base64.b64encode(padding).decode()},
    }
    return {"name": name, "op": operator, "input": inputs, "attr": attributes}


def write_graph(folder, activation: str = "Relu", padding: bytes = b"SAME", spare_bytes: int = 0):
    """A 3x3 convolution of 3 to 4 channels and a depthwise one with a factor, each with addend and ReLU6."""
    random = np.random.default_rng(0)
    shapes = {"w": (3, 3, 3, 4), "b": (4,), "six": (), "zero": (), "dw": (3, 3, 4, 1), "factor": (4,), "db": (4,)}
    constants = {name: random.standard_normal(shape).astype(np.float16) for name, shape in shapes.items()}
    constants |= {"six": np.float16(6), "zero": np.float16(0)}

    def clipped(name: str, of: str, addend: str) -> list[dict]:
        inputs = {"add": ("Add", [of, addend]), "relu": (activation, [f"{name}/add"])}
        inputs |= {"min": ("Minimum", [f"{name}/relu", "six"]), "max": ("Maximum", [f"{name}/min", "zero"])}
        return [{"name": f"{name}/{key}", "op": op, "input": names} for key, (op, names) in inputs.items()]

    nodes = [
        *({"name": name, "op": "Const"} for name in constants),
        {"name": "image", "op": "Placeholder"},
        convolution_node("Conv2D", "first", ["image", "w"], stride=2, padding=padding),
        *clipped("first", "first", "b"),
        convolution_node("DepthwiseConv2dNative", "second", ["first/max", "dw"], stride=1),
        {"name": "second/mul", "op": "Mul", "input": ["second", "factor"]},
        *clipped("second", "second/mul", "db"),
    ]
    weights = [
        {
            "name": name,
            "shape": list(shapes[name]),
            "dtype": "float32",
            "quantization": {"dtype": "float16", "original_dtype": "float32"},
        }
        for name in constants
    ]
    (folder / "net.bin").write_bytes(b"".join(a.tobytes() for a in constants.values()) + bytes(spare_bytes))
    manifest = [{"paths": ["net.bin"], "weights": weights}]
    path = folder / "net.json"
    path.write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": manifest}))
    return path


@pytest.mark.parametrize("side", [8, 9])
def test_convolutions_compute_what_the_graph_computes(tmp_path, side):
    nodes, constants = read_graph(write_graph(tmp_path))
    first, second = read_convolutions(nodes, constants)
    assert (first.stride, first.groups, second.stride, second.groups) == (2, 1, 1, 4)
    images = torch.randn(2, 3, side, side, dtype=torch.float64)
    padding = (0, 1, 0, 1) if side % 2 == 0 else (1, 1, 1, 1)
    maps = F.conv2d(F.pad(images, padding), first.weight.double(), first.bias.double(), stride=2)
    maps = maps.clamp(0, 6)
    maps = F.conv2d(maps, second.weight.double(), second.bias.double(), padding=1, groups=4).clamp(0, 6)
    found = evaluate_graph(nodes, constants, images)["second/max"].permute(0, 3, 1, 2)
    torch.testing.assert_close(found, maps, rtol=1e-5, atol=1e-6)


def test_another_activation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="first is not followed by"):
        read_convolutions(*read_graph(write_graph(tmp_path, activation="Elu")))


def test_other_padding_and_files_of_another_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match="SAME"):
        read_graph(write_graph(tmp_path, padding=b"VALID"))
    with pytest.raises(ValueError, match="bytes"):
        read_graph(write_graph(tmp_path, spare_bytes=2))
