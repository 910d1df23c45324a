"""
What the predictor runs a model with: PyTorch, compiled PyTorch or ONNX Runtime.

PyTorch is imported by what is given a model of it.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..onnx_session import OnnxUnavailableError
from .onnx_network import OnnxNetwork

if TYPE_CHECKING:
    from ..model.modeling_grefel import GReFELForImageClassification

logger = logging.getLogger("grefel_hf")

RUNTIMES = ("auto", "torch", "compile", "onnx")

# Pixel values (B, 3, S, S), float32, to the model's output fields, batch first, float32.
Network = Callable[[np.ndarray], dict[str, np.ndarray]]


def create_network(
    model: "GReFELForImageClassification", runtime: str | Path = "auto", digest: str | None = None
) -> Network:
    """
    Make a network of a model that is on its device.

    Args:
        runtime: "torch"; "compile" (torch.compile, which needs a C++ compiler and about a minute for the first batch);
            "onnx" (ONNX Runtime on the CPU, exported once and then cached); a file that
            `python -m grefel_hf.export_onnx` wrote for this model; or "auto": "onnx" for a model in float32 on a CPU
            where onnxruntime is installed, else "torch".
        digest: of the checkpoint that the model is, unchanged (see `checkpoint_digest`): its graph is kept under it,
            for `kept_network` to find without the model; None for one of the model's tensors.

    Raises:
        ValueError: another runtime, one that does not run on the model's device or in its precision, or a file of
            another model.
        OnnxUnavailableError: onnxruntime is not installed.
        GraphMismatchError: "onnx" does not compute what the model does.
    """
    from .cache import cached_network
    from .torch_network import TorchNetwork, compiled_network

    on_cpu, is_whole = model.device.type == "cpu", str(model.dtype) == "torch.float32"
    if runtime == "auto":
        return (on_cpu and is_whole and _fastest_network(model, digest)) or TorchNetwork(model)
    if runtime == "torch":
        return TorchNetwork(model)
    if runtime == "compile":
        return compiled_network(model)
    if runtime != "onnx" and Path(runtime).suffix != ".onnx":
        raise ValueError(f"unknown runtime {str(runtime)!r}: choose one of {', '.join(RUNTIMES)}, or an .onnx file")
    if not on_cpu:
        raise ValueError(f"ONNX Runtime runs on the CPU here, and the model is on {model.device}: use runtime='torch'")
    if not is_whole:
        raise ValueError(f"ONNX Runtime computes in float32, and the model has {model.dtype}: use runtime='torch'")
    return cached_network(model, digest) if runtime == "onnx" else _network_of_file(model, Path(runtime))


def _fastest_network(model: "GReFELForImageClassification", digest: str | None) -> Network | None:
    """ONNX Runtime if it is there and agrees with PyTorch, which serves otherwise."""
    from .cache import cached_network

    try:
        return cached_network(model, digest)
    except OnnxUnavailableError:
        pass
    except Exception as error:  # the exporter may fail in many ways, on a PyTorch to come for instance
        logger.warning("running on PyTorch, because the export to ONNX failed: %s", error)
    return None


def _network_of_file(model: "GReFELForImageClassification", file: Path) -> OnnxNetwork:
    from ..loading import tensors_digest

    if not file.is_file():
        raise FileNotFoundError(f"the ONNX file {file} does not exist: python -m grefel_hf.export_onnx writes one")
    network = OnnxNetwork(file)
    if network.weights_sha256 != tensors_digest(model):
        raise ValueError(f"{file} was not exported from these weights: python -m grefel_hf.export_onnx")
    return network
