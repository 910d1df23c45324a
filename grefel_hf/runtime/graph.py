"""The model as an ONNX graph, compared with PyTorch."""

import copy
import io
import warnings

import numpy as np
import torch
from torch import nn

from ..model.modeling_grefel import GReFELForImageClassification
from ..onnx_session import INSTALL, OnnxUnavailableError, import_onnxruntime
from .onnx_network import INPUT, GraphMismatchError, OnnxNetwork
from .rewriting import fold_batch_norms, fold_layer_scales, pad_in_convolutions, scale_prelus, split_prelus

OPSET = 18
# How far an output of the graph may be from PyTorch's: of its largest value, or of 1.
TOLERANCE = 1e-4


def onnx_graph(model: GReFELForImageClassification, split: bool = True) -> bytes:
    """
    The model as a serialised ONNX graph: `pixel_values` with a free batch to every output field but losses.

    Args:
        model: stays as it is.
        split: write PReLU in the form that ONNX Runtime computes fastest (see `SplitPReLU`).
    """
    graph = inference_copy(model, split)
    pixel_values = torch.zeros(2, graph.config.num_channels, graph.config.image_size, graph.config.image_size)
    with torch.no_grad():
        names = list(_tensors(graph(pixel_values)))
    return export_module(_Fields(graph), pixel_values, names)


def inference_copy(model: GReFELForImageClassification, split: bool = True) -> GReFELForImageClassification:
    """A copy for the export; see `onnx_graph`."""
    graph = copy.deepcopy(model).eval().float().cpu()
    graph.set_attn_implementation("eager")
    fold_batch_norms(graph)
    fold_layer_scales(graph)
    pad_in_convolutions(graph)
    if split:
        scale_prelus(graph)
        split_prelus(graph)
    return graph


@torch.no_grad()
def export_module(module: nn.Module, pixel_values: torch.Tensor, names: list[str]) -> bytes:
    """
    A module as a serialised ONNX graph with a free batch.

    Args:
        module: pixel values to a tuple of tensors, each with the batch first.
        pixel_values: an example (2, C, S, S).
        names: of the outputs.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Sizes become constants, as they should; and this exporter is called the legacy one. It takes a second, the
        # other one thirteen, which is too long at the start of a page.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (pixel_values,),
            buffer,
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *names)},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


@torch.no_grad()
def check_graph(network: OnnxNetwork, model: GReFELForImageClassification, batch_sizes: tuple[int, ...] = (1, 3)):
    """
    Compare every output with PyTorch's on random pixels.

    Raises:
        GraphMismatchError: fields differ, or values by more than `TOLERANCE` of the field's largest; the message
            names the field.
    """
    config, generator = model.config, torch.Generator().manual_seed(0)
    for batch in batch_sizes:
        pixels = torch.randn(batch, config.num_channels, config.image_size, config.image_size, generator=generator)
        expected = _tensors(model(pixels.to(model.device)))
        outputs = network(pixels.numpy())
        if outputs.keys() != expected.keys():
            raise GraphMismatchError(f"the graph's fields {list(outputs)} are not the model's {list(expected)}")
        for name, values in expected.items():
            values = values.float().cpu().numpy()
            # Of the largest value: where some reach 50, float32 is not nearer to any.
            most = TOLERANCE * max(1.0, np.abs(values).max())
            if outputs[name].shape != values.shape or not np.allclose(outputs[name], values, rtol=0, atol=most):
                raise GraphMismatchError(f"the graph's {name} differs from the model's on a batch of {batch}")


def import_onnx_packages():
    """
    Raises:
        OnnxUnavailableError: onnxruntime, or onnx, without which PyTorch does not export, cannot be loaded.
    """
    import_onnxruntime()
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise OnnxUnavailableError(f"the export to ONNX needs the package onnx ({error}): {INSTALL}") from error


def _tensors(output) -> dict[str, torch.Tensor]:
    """The fields of an output that are tensors, in order."""
    return {name: value for name, value in output.items() if isinstance(value, torch.Tensor)}


class _Fields(nn.Module):
    """A model whose output is a plain tuple, as the exporter wants it."""

    def __init__(self, model: GReFELForImageClassification):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(_tensors(self.model(pixel_values)).values())
