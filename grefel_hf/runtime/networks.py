"""What the predictor runs a model with: PyTorch, compiled PyTorch or ONNX Runtime."""

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..loading import tensors_digest
from ..model.modeling_grefel import GReFELForImageClassification
from ..onnx_session import OnnxUnavailableError
from .cache import cached_network
from .onnx_network import OnnxNetwork
from .rewriting import fold_batch_norms

logger = logging.getLogger("grefel_hf")

RUNTIMES = ("auto", "torch", "compile", "onnx")

# Pixel values (B, 3, S, S), float32, to the model's output fields, batch first, float32.
Network = Callable[[np.ndarray], dict[str, np.ndarray]]


class TorchNetwork:
    """A model, or what torch.compile makes of one, on its own device; its weights are laid out channels last."""

    def __init__(self, model: GReFELForImageClassification, function: Callable | None = None):
        # Convolutions hand this on, and the fusion's permutes to (B, H, W, C) and back are views of it. In the forward
        # pass it would come too late: the weights would be brought into the layout of the input at every call.
        model.to(memory_format=torch.channels_last)
        self._device = model.device
        self._function = model if function is None else function  # a compiled model has no truth value

    @torch.inference_mode()
    def __call__(self, pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        output = self._function(pixel_values=torch.from_numpy(pixel_values).to(self._device))
        return {name: value.float().cpu().numpy() for name, value in output.items() if isinstance(value, torch.Tensor)}


def create_network(model: GReFELForImageClassification, runtime: str | Path = "auto") -> Network:
    """
    Make a network of a model that is on its device.

    Args:
        runtime: "torch"; "compile" (torch.compile, which needs a C++ compiler and about a minute for the first batch);
            "onnx" (ONNX Runtime on the CPU, exported once and then cached); a file that
            `python -m grefel_hf.export_onnx` wrote for this model; or "auto": on a CPU "onnx" where onnxruntime is
            installed, else "torch".

    Raises:
        ValueError: another runtime, one that does not run on the model's device, or a file of another model.
        OnnxUnavailableError: onnxruntime is not installed.
        GraphMismatchError: "onnx" does not compute what the model does.
    """
    on_cpu = model.device.type == "cpu"
    if runtime == "auto":
        return _fastest_network(model) if on_cpu else TorchNetwork(model)
    if runtime == "torch":
        return TorchNetwork(model)
    if runtime == "compile":
        folded = copy.deepcopy(model).eval()
        fold_batch_norms(folded)
        return TorchNetwork(folded, torch.compile(folded, fullgraph=True))
    if runtime != "onnx" and Path(runtime).suffix != ".onnx":
        raise ValueError(f"unknown runtime {str(runtime)!r}: choose one of {', '.join(RUNTIMES)}, or an .onnx file")
    if not on_cpu:
        raise ValueError(f"ONNX Runtime runs on the CPU here, and the model is on {model.device}: use runtime='torch'")
    return cached_network(model) if runtime == "onnx" else _network_of_file(model, Path(runtime))


def _fastest_network(model: GReFELForImageClassification) -> Network:
    """ONNX Runtime if it is there and agrees with PyTorch, which serves otherwise."""
    try:
        return cached_network(model)
    except OnnxUnavailableError:
        pass
    except Exception as error:  # the exporter may fail in many ways, on a PyTorch to come for instance
        logger.warning("running on PyTorch, because the export to ONNX failed: %s", error)
    return TorchNetwork(model)


def _network_of_file(model: GReFELForImageClassification, file: Path) -> OnnxNetwork:
    if not file.is_file():
        raise FileNotFoundError(f"the ONNX file {file} does not exist: python -m grefel_hf.export_onnx writes one")
    network = OnnxNetwork(file)
    if network.weights_sha256 != tensors_digest(model):
        raise ValueError(f"{file} was not exported from these weights: python -m grefel_hf.export_onnx")
    return network
