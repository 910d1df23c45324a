"""A checkpoint ready to run: as a graph alone where one is kept, which needs no PyTorch, else as a model."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoint import checked_name, checkpoint_digest
from .crop_processor import CropProcessor
from .files import read_json
from .hub import CONFIG_FILE, checkpoint_folder
from .onnx_session import OnnxUnavailableError
from .runtime.cache import kept_network
from .runtime.networks import Network, create_network

if TYPE_CHECKING:
    import torch

    from .model.image_processing_grefel import GReFELImageProcessor
    from .model.modeling_grefel import GReFELForImageClassification


@dataclass(frozen=True)
class Opened:
    """
    network: what computes the model.
    processor: makes pixel values of crops.
    labels: class names, in the model's order.
    model: None where a kept graph stands for it.
    """

    network: Network
    processor: "CropProcessor | GReFELImageProcessor"
    labels: tuple[str, ...]
    model: "GReFELForImageClassification | None" = None


def open_checkpoint(
    name: str | Path | None,
    *,
    runtime: str | Path = "auto",
    device: "str | torch.device" = "cpu",
    dtype: "str | torch.dtype" = "auto",
    **place: Any,
) -> Opened:
    """
    Args:
        name: a folder or a Hub id; None for the checkpoint that comes with the package.
        runtime: see `create_network`.
        device: where the model runs; "auto" for an accelerator that PyTorch finds, else the CPU.
        dtype: of the weights; "auto" for that of the checkpoint.
        place: what `checkpoint_folder` takes.

    Raises:
        as `load_checkpoint` and `create_network`.
    """
    digest = None
    if runtime in ("auto", "onnx") and str(device) == "cpu" and dtype == "auto":
        folder = checkpoint_folder(checked_name(name), **place)
        place |= {"local_files_only": True}  # as it is there now
        with contextlib.suppress(OSError):  # no checkpoint in one file
            digest = checkpoint_digest(folder)
            if opened := _kept_graph(folder, digest):
                return opened
    from .loading import load_checkpoint

    model, processor = load_checkpoint(name, dtype=dtype, **place)
    model = model.to(found_device(device))
    return Opened(create_network(model, runtime, digest), processor, labels_of(model.config.id2label), model)


def _kept_graph(folder: Path, digest: str) -> Opened | None:
    try:
        network = kept_network(digest)
        processor = CropProcessor.from_folder(folder)
        labels = labels_of(read_json(folder / CONFIG_FILE)["id2label"])
    except (OSError, ValueError, KeyError, TypeError, OnnxUnavailableError):  # whatever it is, loading tells
        return None
    return Opened(network, processor, labels)


def labels_of(id2label: dict[int | str, str]) -> tuple[str, ...]:
    """Class names in the order of their ids, which JSON has as text."""
    return tuple(id2label[key] for key in sorted(id2label, key=int))


def found_device(device: "str | torch.device") -> "torch.device":
    """
    The device; for "auto" an accelerator if there is one.

    Raises:
        ValueError: PyTorch has no such device here.
    """
    import torch

    if device == "auto":
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {device} cannot be used: {str(error).partition(chr(10))[0]}") from error
