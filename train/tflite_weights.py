"""
Reads float TensorFlow Lite graphs: their operators, their convolutions as PyTorch has them, and what they compute.

Not a general converter: it knows the operators that MobileFaceNet.tflite is made of and refuses any other.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite
import torch
from torch.nn import functional as F

OPERATOR_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
OPTION_TYPES = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
}
DTYPES = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.INT32: np.int32}


@dataclass
class Operator:
    """One operator of a graph; `inputs` and `outputs` are tensor numbers."""

    name: str
    inputs: list[int]
    outputs: list[int]
    stride: int = 1
    same_padding: bool = False


@dataclass
class Graph:
    """Operators in the order they run in, and the constant tensors, in TensorFlow's layouts, by number."""

    operators: list[Operator]
    constants: dict[int, np.ndarray]
    input: int
    output: int


@dataclass
class Convolution:
    """A convolution: `weight` (out, in / groups, k, k), `bias` (out,), `slope` (out,) of the PReLU after it, if any."""

    weight: torch.Tensor
    bias: torch.Tensor
    stride: int = 1
    groups: int = 1
    slope: torch.Tensor | None = None


def read_graph(path: str | Path) -> Graph:
    """Reads the only subgraph of a .tflite file."""
    model = tflite.Model.GetRootAsModel(Path(path).read_bytes(), 0)
    subgraph = model.Subgraphs(0)
    constants = {}
    for number in range(subgraph.TensorsLength()):
        tensor = subgraph.Tensors(number)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            array = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
            constants[number] = array.reshape(tensor.ShapeAsNumpy()).copy()
    operators = [_read_operator(model, subgraph.Operators(i)) for i in range(subgraph.OperatorsLength())]
    return Graph(operators, constants, int(subgraph.Inputs(0)), int(subgraph.Outputs(0)))


def _read_operator(model: tflite.Model, operator: tflite.Operator) -> Operator:
    name = OPERATOR_NAMES[model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
    result = Operator(name, operator.InputsAsNumpy().tolist(), operator.OutputsAsNumpy().tolist())
    if name not in OPTION_TYPES:
        return result
    options, table = OPTION_TYPES[name](), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise ValueError(f"{name} with a fused activation is not handled")
    if "CONV" in name:
        if options.StrideH() != options.StrideW() or (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise ValueError(f"{name} with uneven strides or dilation is not handled")
        result.stride = options.StrideH()
        result.same_padding = options.Padding() == tflite.Padding.SAME
    return result


def read_convolutions(graph: Graph) -> list[Convolution]:
    """
    The convolutions in the order they run in, each with the slope of the PReLU on its output, if there is one.

    The graph writes PReLU as relu(x) + constant * (x - |x|). Below zero x - |x| is 2x: the slope is twice the constant.
    """
    users: dict[int, list[Operator]] = {}
    for operator in graph.operators:
        for number in operator.inputs:
            users.setdefault(number, []).append(operator)
    return [
        _read_convolution(operator, graph.constants, users) for operator in graph.operators if "CONV" in operator.name
    ]


def _read_convolution(
    operator: Operator, constants: dict[int, np.ndarray], users: dict[int, list[Operator]]
) -> Convolution:
    weight, bias = (torch.from_numpy(constants[number]) for number in operator.inputs[1:])
    if operator.name == "DEPTHWISE_CONV_2D":
        weight = weight.permute(3, 0, 1, 2).contiguous()  # (1, k, k, channels) -> (channels, 1, k, k)
    else:
        weight = weight.permute(0, 3, 1, 2).contiguous()  # (out, k, k, in) -> (out, in, k, k)
    groups = len(weight) if operator.name == "DEPTHWISE_CONV_2D" else 1
    slope = _read_slope(operator.outputs[0], constants, users)
    return Convolution(weight, bias, operator.stride, groups, slope)


def _read_slope(number: int, constants: dict[int, np.ndarray], users: dict[int, list[Operator]]) -> torch.Tensor | None:
    """The PReLU slope (channels,) applied to a tensor, or None; raises if something else but like it is."""
    after = {operator.name: operator for operator in users.get(number, [])}
    if "RELU" not in after:
        return None
    if set(after) != {"RELU", "ABS", "SUB"} or after["SUB"].inputs != [number, after["ABS"].outputs[0]]:
        raise ValueError(f"tensor {number} has a RELU that is not part of relu(x) + constant * (x - |x|)")
    (multiply,) = users[after["SUB"].outputs[0]]
    (add,) = users[multiply.outputs[0]]
    (constant,) = [constants[i] for i in multiply.inputs if i in constants]
    if (multiply.name, add.name) != ("MUL", "ADD") or after["RELU"].outputs[0] not in add.inputs:
        raise ValueError(f"tensor {number} has a RELU that is not part of relu(x) + constant * (x - |x|)")
    return 2 * torch.from_numpy(constant).flatten()


def evaluate_graph(graph: Graph, images: torch.Tensor) -> dict[int, torch.Tensor]:
    """
    Runs the graph, operator by operator, on `images` (B, 3, H, W), in their dtype.

    Returns every tensor by number, maps as (B, H, W, C). It shares nothing with `read_convolutions`, to check it.
    """
    values = {number: torch.from_numpy(array).to(images.dtype) for number, array in graph.constants.items()}
    values[graph.input] = images.permute(0, 2, 3, 1)
    for operator in graph.operators:
        values[operator.outputs[0]] = _evaluate(operator, *[values[number] for number in operator.inputs])
    return values


def _evaluate(operator: Operator, *inputs: torch.Tensor) -> torch.Tensor:
    match operator.name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return _evaluate_convolution(operator, *inputs)
        case "RELU":
            return inputs[0].clamp(min=0)
        case "ABS":
            return inputs[0].abs()
        case "ADD":
            return inputs[0] + inputs[1]
        case "SUB":
            return inputs[0] - inputs[1]
        case "MUL":
            return inputs[0] * inputs[1]
        case "RESHAPE":
            return inputs[0].reshape(len(inputs[0]), -1)  # the stored shape holds the converter's batch size
    raise ValueError(f"operator {operator.name} is not handled")


def _evaluate_convolution(
    operator: Operator, maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Convolves `maps` (B, H, W, C); SAME padding puts the odd row and column at the bottom and the right."""
    maps = maps.permute(0, 3, 1, 2)
    kernel_size = weight.shape[1]
    if operator.same_padding:
        height, width = (same_padding(size, kernel_size, operator.stride) for size in maps.shape[2:])
        maps = F.pad(maps, (width // 2, width - width // 2, height // 2, height - height // 2))
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    weight = torch.einsum("ohwc->cohw" if depthwise else "ohwc->ochw", weight)
    output = F.conv2d(maps, weight, bias, operator.stride, groups=maps.shape[1] if depthwise else 1)
    return output.permute(0, 2, 3, 1)


def same_padding(size: int, kernel_size: int, stride: int) -> int:
    """Rows or columns to add in all, for an output of size / stride, rounded up."""
    output_size = -(-size // stride)
    return max(0, (output_size - 1) * stride + kernel_size - size)
