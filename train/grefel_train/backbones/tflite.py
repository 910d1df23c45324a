"""
Reads float TensorFlow Lite graphs: their operators, their convolutions as PyTorch has them, and what LiteRT computes.

Not a general converter: of PReLU it knows the form that MobileFaceNet.tflite has, and refuses any other.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

OPERATOR_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
DTYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT32: np.int32}


@dataclass
class Operator:
    """One operator of a graph; `inputs` and `outputs` are tensor numbers."""

    name: str
    inputs: list[int]
    outputs: list[int]
    stride: int = 1


@dataclass
class Graph:
    """
    Operators in the order they run in, and the constant tensors, in TensorFlow's layouts, by number; `file` is what
    they were read from.
    """

    operators: list[Operator]
    constants: dict[int, np.ndarray]
    file: bytes = field(default=b"", repr=False)


@dataclass
class Convolution:
    """A convolution: `weight` (out, in / groups, k, k), `bias` (out,), `slope` (out,) of the PReLU after it, if any."""

    weight: torch.Tensor
    bias: torch.Tensor
    stride: int = 1
    groups: int = 1
    slope: torch.Tensor | None = None


def read_graph(path: str | Path) -> Graph:
    """
    Reads the only subgraph of a .tflite file.

    Raises:
        ValueError: a convolution or sum that PyTorch has in another form.
    """
    file = Path(path).read_bytes()
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    (subgraph,) = model.subgraphs
    constants = {}
    for number, tensor in enumerate(subgraph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            constants[number] = np.array(data, np.uint8).view(DTYPES[tensor.type]).reshape(tensor.shape)
    return Graph([_read_operator(model, operator) for operator in subgraph.operators], constants, file)


def _read_operator(model: schema.ModelT, operator: schema.OperatorT) -> Operator:
    code = model.operatorCodes[operator.opcodeIndex]
    name = OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]  # older files have the latter alone
    options = operator.builtinOptions
    if getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE):
        raise ValueError(f"{name} with a fused activation is not handled")
    stride = 1
    if "CONV" in name:
        stride = options.strideH
        if stride != options.strideW or (options.dilationHFactor, options.dilationWFactor) != (1, 1):
            raise ValueError(f"{name} with uneven strides or dilation is not handled")
    return Operator(name, operator.inputs.tolist(), operator.outputs.tolist(), stride)


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


def input_shape(graph: Graph) -> tuple[int, ...]:
    """(B, H, W, C), for which the file was made."""
    return tuple(Interpreter(model_content=graph.file).get_input_details()[0]["shape"].tolist())


def evaluate_graph(graph: Graph, images: torch.Tensor, numbers: list[int]) -> list[torch.Tensor]:
    """
    What LiteRT computes for `images` (B, 3, H, W) of `input_shape`: the maps (B, C, H, W) of these tensor numbers.

    Without its fast kernels, which would merge the operators between them.
    """
    interpreter = Interpreter(
        model_content=graph.file,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images.float().permute(0, 2, 3, 1).numpy())
    interpreter.invoke()
    return [torch.from_numpy(interpreter.get_tensor(number)).permute(0, 3, 1, 2) for number in numbers]
