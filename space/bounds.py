"""Bounds that the framework lacks: for the names of sessions, for what uploads bring, for what it remembers of both."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import gradio as gr
from gradio import route_utils, routes

from .limits import LONGEST_SESSION, PROGRESS_SECONDS, UNREAD_SECONDS


class FilesOnlyParser(route_utils.GradioMultiPartParser):
    """Of an upload every part is a file, and so on disk; the framework holds other parts in memory, however large."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise route_utils.MultiPartException("Only files can be uploaded.")


def bound_framework(page: gr.Blocks) -> "Leftovers":
    """Exchange what is too generous in a page that was just launched; returns what is to be dropped from then on."""
    route_utils.GradioMultiPartParser = FilesOnlyParser
    push, leftovers = page._queue.push, Leftovers(page._queue, routes.file_upload_statuses)

    async def bounded_push(body: Any, **others: Any) -> tuple[bool, Any, str]:
        leftovers.loop = asyncio.get_running_loop()
        if len(body.session_hash or "") > LONGEST_SESSION:
            return False, f"The name of a session may have {LONGEST_SESSION} characters.", "error"
        return await push(body=body, **others)

    page._queue.push = bounded_push
    return leftovers


class Leftovers:
    """
    What the framework would keep for ever: the answers that wait in its queue until their visitor fetches them,
    pictures among them, the names of sessions whose answers were fetched, and how far uploads had come.
    """

    def __init__(self, queue: Any, progress: Any):
        self._queue, self._progress = queue, progress
        self.loop: asyncio.AbstractEventLoop | None = None  # of the queue, once something was asked of it
        self._sessions, self._uploads = _Stale(UNREAD_SECONDS), _Stale(PROGRESS_SECONDS)

    def drop_in_loop(self) -> None:
        """As `drop`, in the queue's own thread, where nothing changes meanwhile."""
        if self.loop is None:
            self.drop(time.monotonic())
        else:
            self.loop.call_soon_threadsafe(lambda: self.drop(time.monotonic()))

    def drop(self, now: float) -> None:
        """Forget sessions that nobody asked anything of for `UNREAD_SECONDS`, uploads after `PROGRESS_SECONDS`."""
        busy = {event.session_hash for event in list(self._queue.event_ids_to_events.values())}
        boxes, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        full = {session for session, box in list(boxes.items()) if not box.empty()}
        idle = {session for session, waiting in list(events.items()) if not waiting}
        for session in self._sessions((full | idle) - busy, now):
            boxes.pop(session, None)
            events.pop(session, None)
        for upload in self._uploads({*self._progress._statuses, *self._progress._signals}, now):
            self._progress._statuses.pop(upload, None)
            self._progress._signals.pop(upload, None)


class _Stale:
    """Which names were there at every look for so many seconds."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def __call__(self, names: Iterable[str], now: float) -> list[str]:
        self._since = {name: self._since.get(name, now) for name in names}
        found = [name for name, since in self._since.items() if now - since >= self._seconds]
        for name in found:
            del self._since[name]
        return found
