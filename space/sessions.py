"""
Sessions that remember nothing that was seen: of a visitor only the live tab's last figures stay, for a while; and
answers that nobody fetches do not wait for ever.
"""

import threading
import time
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from .limits import MAX_SESSIONS, UNREAD_SECONDS


class ForgetfulSession(SessionState):
    """
    The framework keeps what every component was last given, pictures included, and a copy of the page's whole
    configuration, for deep links, which are closed here. This keeps the values of `gr.State` alone, and how
    components were changed.
    """

    def __init__(self, blocks: gr.Blocks):
        self.blocks_config = copy(blocks.default_config)
        self.config_values = {}
        self.state_data = {}
        self._state_ttl = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 1  # seconds

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)  # of a component without its value: what changes it is taken from there
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class ForgetfulHolder(StateHolder):
    """As the framework's, with forgetful sessions."""

    def __getitem__(self, session: str) -> SessionState:
        if session not in self.session_data:
            self.session_data[session] = ForgetfulSession(self.blocks)
        return super().__getitem__(session)


def forget_sessions(page: gr.Blocks) -> None:
    """Exchange the sessions of a page that was just launched."""
    page.app.state_holder = ForgetfulHolder()
    page.app.state_holder.set_blocks(page)
    page.app.state_holder.capacity = MAX_SESSIONS
    unread = UnreadAnswers(page._queue)

    def run() -> None:
        while True:
            time.sleep(UNREAD_SECONDS / 4)
            unread.drop(time.monotonic())

    threading.Thread(target=run, name="unread-answers", daemon=True).start()


class UnreadAnswers:
    """
    The answers that wait in the framework's queue until their visitor fetches them: pictures among them, and without
    a limit where a program asks and never listens.
    """

    def __init__(self, queue: Any):
        self._queue = queue
        self._since: dict[str, float] = {}  # by session: since when there are some, at every look

    def drop(self, now: float) -> None:
        """Forget those that have waited for `UNREAD_SECONDS`."""
        busy = {event.session_hash for event in list(self._queue.event_ids_to_events.values())}
        boxes = self._queue.pending_messages_per_session
        full = [session for session, box in list(boxes.items()) if session not in busy and not box.empty()]
        self._since = {session: self._since.get(session, now) for session in full}
        for session, since in list(self._since.items()):
            if now - since >= UNREAD_SECONDS:
                del self._since[session]
                boxes.pop(session, None)
                self._queue.pending_event_ids_session.pop(session, None)
