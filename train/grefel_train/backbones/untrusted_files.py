"""Tensors out of files that strangers made: safetensors, or pickles of which nothing is run."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from grefel_train.backbones.layouts import ConversionError

# Under these names training scripts keep the weights, beside epochs, optimisers and the like.
WRAPPERS = ("state_dict", "model_state_dict", "model")


class Unread:
    """Stands for an object of a pickle that is not wanted: takes whatever the pickle hands it and keeps nothing."""

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


# What POSTER++'s training script puts beside the weights: two meters of its own, which hold NumPy arrays. Reading them
# as `Unread` runs neither their code nor NumPy's, and a published checkpoint could not be read at all without.
POSTER_METERS = [
    *(f"__main__.{name}" for name in ("RecorderMeter", "RecorderMeter1")),
    *(f"{module}.multiarray.{name}" for module in ("numpy.core", "numpy._core") for name in ("_reconstruct", "scalar")),
    *(f"numpy.{name}" for name in ("ndarray", "dtype")),
]


def read_tensors(file: Path) -> tuple[dict[str, Any], list[str]]:
    """
    The state dict in a file, without `module.` in front, and what the file has beside it.

    A pickle is read by `torch.load(weights_only=True)` alone, which runs nothing of it.

    Raises:
        ConversionError: no such file, one that cannot be read, with code in it, or without a state dict.
    """
    if not file.is_file():
        raise ConversionError("there is no such file.")
    loaded = read_safetensors(file) if file.suffix == ".safetensors" else read_pickle(file)
    if not isinstance(loaded, dict):
        raise ConversionError(f"it holds a {type(loaded).__name__} and not a dict of tensors.")
    beside: list[str] = []
    for wrapper in WRAPPERS:
        if isinstance(loaded.get(wrapper), dict):
            beside = [str(name) for name in loaded if name != wrapper]
            loaded = loaded[wrapper]
            break
    tensors = {str(name): value for name, value in loaded.items()}
    while tensors and all(name.startswith("module.") for name in tensors):  # a saved DataParallel
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors, beside


def read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except Exception as error:  # SafetensorError, OSError
        raise ConversionError(f"it cannot be read: {error}") from error


def read_pickle(file: Path) -> Any:
    try:
        with torch.serialization.safe_globals([(Unread, name) for name in POSTER_METERS]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is no checkpoint makes the reader raise whatever comes
        blocked = re.search(r"GLOBAL (\S+)", str(error))
        if blocked:
            raise ConversionError(
                f"it is a pickle with more in it than tensors ({blocked[1]}), and such a pickle can run anything. "
                "Nothing of it was run. If you trust its source, save its state dict alone, where it was made: "
                "torch.save(model.state_dict(), FILE)."
            ) from error
        raise ConversionError(f"it cannot be read: {str(error).splitlines()[0] if str(error) else error!r}") from error
