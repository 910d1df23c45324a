"""Whose turn it is at the camera: some visitors at once, each for a while, the others in the order of their coming."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...limits import LIVE_SECONDS, LIVE_VISITORS

SILENT_SECONDS = 20.0  # whoever asks for nothing for so long has gone


@dataclass
class _Visitor:
    asked: float
    seated: float | None = None  # since when


class Seats:
    """
    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._visitors: dict[str, _Visitor] = {}  # in the order in which they came
        self._lock = threading.Lock()

    def ask(self, name: str) -> int | None:
        """The visitor's place in the queue, 0 for a seat; None where their time is over, after which they may queue."""
        with self._lock:
            now = self._clock()
            gone = [name for name, visitor in self._visitors.items() if now - visitor.asked > SILENT_SECONDS]
            for other in gone:
                del self._visitors[other]
            visitor = self._visitors.setdefault(name, _Visitor(now))
            visitor.asked = now
            if visitor.seated is not None and now - visitor.seated >= LIVE_SECONDS:
                del self._visitors[name]
                return None
            order = sorted(self._visitors.values(), key=lambda other: other.seated is None)
            place = next(index for index, other in enumerate(order) if other is visitor) - LIVE_VISITORS + 1
            if place <= 0 and visitor.seated is None:
                visitor.seated = now
            return max(0, place)

    def heard(self, name: str) -> bool:
        """The visitor was not silent but waited for an answer. False where they have left meanwhile, which stays so."""
        with self._lock:
            visitor = self._visitors.get(name)
            if visitor is not None:
                visitor.asked = self._clock()
            return visitor is not None

    def leave(self, name: str) -> bool:
        """The visitor has stopped: the next one may have the seat. True where they were still waiting for one."""
        with self._lock:
            visitor = self._visitors.pop(name, None)
            return visitor is not None and visitor.seated is None
