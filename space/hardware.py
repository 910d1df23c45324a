"""Where the model runs: the CPU, a GPU, or Hugging Face's ZeroGPU, which lends one for the length of a call."""

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

try:
    import spaces  # must come before anything uses CUDA, for which it stands in on ZeroGPU
except ImportError:
    spaces = None

import torch

Step = TypeVar("Step")

# One reads a picture and runs the model at a time: that is what takes memory and all cores.
TURN = threading.Lock()


def in_turns(steps: Iterator[Step]) -> Iterator[Step]:
    """Each step is a turn of its own, so that others have theirs in between."""
    end = object()
    while True:
        with TURN:
            step = next(steps, end)
        if step is end:
            return
        yield step


def best_device() -> str:
    """ "cuda" where there is a GPU or one can be lent, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_gpu(function: Callable) -> Callable:
    """Ask for a GPU around every call on ZeroGPU; elsewhere the function itself."""
    return function if spaces is None else spaces.GPU(function)
