"""Where the model runs: the CPU, a GPU, or Hugging Face's ZeroGPU, which lends one for the length of a call."""

from collections.abc import Callable

try:
    import spaces  # must come before anything uses CUDA, for which it stands in on ZeroGPU
except ImportError:
    spaces = None

import torch


def best_device() -> str:
    """ "cuda" where there is a GPU or one can be lent, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_gpu(function: Callable) -> Callable:
    """Ask for a GPU around every call on ZeroGPU; elsewhere the function itself."""
    return function if spaces is None else spaces.GPU(function)
