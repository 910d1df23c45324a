"""
Reads TensorFlow.js graph models (a .json file and one .bin of weights beside it): their nodes, their convolutions as
PyTorch has them, and what they compute.

Not a general converter: it knows the operators of a MobileNet and refuses any other.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from grefel_train.backbones.tflite import Convolution

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
DTYPES = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4"), "int32": np.dtype("<i4")}


@dataclass
class Node:
    """One operator: its output has its own name, `inputs` are names of nodes or constants."""

    name: str
    operator: str
    inputs: list[str]
    stride: int = 1


def read_graph(path: str | Path) -> tuple[list[Node], dict[str, np.ndarray]]:
    """
    The operators in the order they run in and the constants, in TensorFlow's layouts, by name.

    Raises:
        ValueError: the weights are not where or as long as the .json says, or a convolution has no SAME padding.
    """
    path = Path(path)
    model = json.loads(path.read_text())
    constants = _read_constants(path.parent, model["weightsManifest"])
    nodes = [_read_node(node) for node in model["modelTopology"]["node"] if node["op"] != "Const"]
    return nodes, constants


def _read_constants(directory: Path, manifest: list[dict]) -> dict[str, np.ndarray]:
    constants = {}
    for group in manifest:
        data = b"".join((directory / name).read_bytes() for name in group["paths"])
        offset = 0
        for weight in group["weights"]:
            dtype = DTYPES[weight.get("quantization", weight)["dtype"]]
            count = int(np.prod(weight["shape"]))
            array = np.frombuffer(data, dtype, count, offset).reshape(weight["shape"])
            constants[weight["name"]] = array.astype(weight["dtype"])
            offset += array.nbytes
        if offset != len(data):
            raise ValueError(f"{', '.join(group['paths'])}: {len(data)} bytes, not the {offset} that the graph names")
    return constants


def _read_node(node: dict) -> Node:
    attributes = node.get("attr", {})
    result = Node(node["name"], node["op"], node.get("input", []))
    if result.operator in CONVOLUTIONS:
        _, height, width, _ = (int(i) for i in attributes["strides"]["list"]["i"])
        if base64.b64decode(attributes["padding"]["s"]) != b"SAME" or height != width:
            raise ValueError(f"{result.name}: only SAME padding and even strides are handled")
        result.stride = height
    return result


def read_convolutions(nodes: list[Node], constants: dict[str, np.ndarray]) -> list[Convolution]:
    """
    The convolutions in the order they run in, each with the constant factor and addend after it in its weight and bias.

    Raises:
        ValueError: a convolution that is not followed by an addend and a ReLU6.
    """
    users = {name: node for node in nodes for name in node.inputs if name not in constants}
    return [_read_convolution(node, constants, users) for node in nodes if node.operator in CONVOLUTIONS]


def _read_convolution(node: Node, constants: dict[str, np.ndarray], users: dict[str, Node]) -> Convolution:
    weight = torch.from_numpy(constants[node.inputs[1]])
    depthwise = node.operator == "DepthwiseConv2dNative"
    # (k, k, channels, 1) -> (channels, 1, k, k), or (k, k, in, out) -> (out, in, k, k)
    weight = weight.permute(2, 3, 0, 1) if depthwise else weight.permute(3, 2, 0, 1)
    after = users[node.name]
    if after.operator == "Mul":
        weight = weight * torch.from_numpy(constants[after.inputs[1]]).view(-1, 1, 1, 1)
        after = users[after.name]
    chain = [after, users[after.name], users[users[after.name].name]]
    if [link.operator for link in chain] != ["Add", "Relu", "Minimum"] or constants[chain[2].inputs[1]] != 6:
        raise ValueError(f"{node.name} is not followed by an addend and a ReLU6")
    bias = torch.from_numpy(constants[after.inputs[1]])
    return Convolution(weight.contiguous(), bias, node.stride, len(weight) if depthwise else 1)


def evaluate_graph(
    nodes: list[Node], constants: dict[str, np.ndarray], images: torch.Tensor
) -> dict[str, torch.Tensor]:
    """
    Runs the nodes, one by one, on `images` (B, 3, H, W), in their dtype, up to the first that is no operator of maps.

    Returns every node's output by name, maps as (B, H, W, C). It shares nothing with `read_convolutions`, to check it.
    """
    values = {name: torch.from_numpy(np.array(array)).to(images.dtype) for name, array in constants.items()}
    for node in nodes:
        if node.operator == "Placeholder":
            values[node.name] = images.permute(0, 2, 3, 1)
        elif node.operator == "Mean":
            break
        else:
            values[node.name] = _evaluate(node, *(values[name] for name in node.inputs))
    return values


def _evaluate(node: Node, *inputs: torch.Tensor) -> torch.Tensor:
    match node.operator:
        case "Conv2D" | "DepthwiseConv2dNative":
            return _evaluate_convolution(node, *inputs)
        case "Add":
            return inputs[0] + inputs[1]
        case "Mul":
            return inputs[0] * inputs[1]
        case "Relu":
            return inputs[0].clamp(min=0)
        case "Minimum":
            return torch.minimum(*inputs)
        case "Maximum":
            return torch.maximum(*inputs)
    raise ValueError(f"operator {node.operator} is not handled")


def _evaluate_convolution(node: Node, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolves `maps` (B, H, W, C) as a sum over the kernel's cells of shifted maps, with SAME padding."""
    kernel_size, stride = weight.shape[0], node.stride
    height, width = (_same_padding(size, kernel_size, stride) for size in maps.shape[1:3])
    rows, columns = (-(-size // stride) for size in maps.shape[1:3])
    maps = F.pad(maps, (0, 0, width // 2, width - width // 2, height // 2, height - height // 2))
    output = 0
    for i in range(kernel_size):
        for j in range(kernel_size):
            shifted = maps[:, i : i + rows * stride : stride, j : j + columns * stride : stride]
            depthwise = node.operator == "DepthwiseConv2dNative"
            output = output + (shifted * weight[i, j, :, 0] if depthwise else shifted @ weight[i, j])
    return output


def _same_padding(size: int, kernel_size: int, stride: int) -> int:
    """Rows or columns to add in all, for an output of size / stride, rounded up."""
    output_size = -(-size // stride)
    return max(0, (output_size - 1) * stride + kernel_size - size)
