"""Where the model runs: the CPU, a GPU, or Hugging Face's ZeroGPU, which lends one for the length of a call."""

import contextlib
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

try:
    import spaces  # must come before anything uses CUDA, for which it stands in on ZeroGPU
except ImportError:
    spaces = None

import torch
from PIL import Image

from grefel_hf import FacialExpressionPredictor

Step = TypeVar("Step")


class FairLock:
    """A lock that is had in the order of asking: one who lets go and asks again at once comes last."""

    def __init__(self):
        self._waiting: deque[threading.Lock] = deque()
        self._is_held = False
        self._guard = threading.Lock()

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until it is handed over

    def __exit__(self, *error: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False


# One reads a picture and runs the model at a time: that is what takes memory and all cores.
TURN = FairLock()


def in_turns(steps: Iterator[Step]) -> Iterator[Step]:
    """Each step is a turn of its own, so that others have theirs in between."""
    end = object()
    while True:
        with TURN:
            step = next(steps, end)
        if step is end:
            return
        yield step


def warm_up(predictor: FacialExpressionPredictor) -> None:
    """Once through detector and network, so that the first visitor's photo is as fast as the second's."""
    with TURN:
        predictor.detector.detect(Image.new("RGB", (320, 240), "grey"))
        predictor.occlusions(Image.new("RGB", (96, 96), "grey"))


def give_back_memory() -> None:
    """Let the system have what was freed: glibc keeps it, for every thread."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system, another library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


class WorkTime:
    """
    The time that one request may work, without the turns of others.

    seconds: in all.
    """

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While others work."""
        begun = time.monotonic()
        yield
        self._end += time.monotonic() - begun


def best_device() -> str:
    """ "cuda" where there is a GPU or one can be lent, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_gpu(function: Callable) -> Callable:
    """Ask for a GPU around every call on ZeroGPU; elsewhere the function itself."""
    return function if spaces is None else spaces.GPU(function)
