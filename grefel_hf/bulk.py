"""Work on many items at once, in order and with a fixed number of them in memory."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = "overlapped"  # their names begin so
Item = TypeVar("Item")
Result = TypeVar("Result")


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int, workers: int | None = None
) -> Iterator[Result]:
    """
    `map` in threads: worthwhile for functions that spend their time where Python's lock is free (Pillow, OpenCV, dlib).

    The caller's work on one result overlaps with that of the threads on the next ones. `items` is read in the caller's
    thread. An error of `function` comes out in its turn.

    Args:
        ahead: items that are begun before the first result is asked for, and so the most that are begun and not yet
            taken; 1 and less works without threads, and so does what runs in a thread of an outer `overlapped`, which
            has the cores already.
        workers: threads; by default one for each core.

    Yields:
        The results in the order of `items`.
    """
    if ahead <= 1 or threading.current_thread().name.startswith(THREADS):
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(min(ahead, workers or os.cpu_count() or 1), thread_name_prefix=THREADS)
    begun = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) == ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:  # also where the caller stops early
        pool.shutdown(cancel_futures=True)
