"""
Sessions that remember nothing that was seen: of a visitor only the live tab's last figures stay, for a while.
"""

import threading
import time
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from .bounds import bound_framework
from .hardware import give_back_memory
from .limits import LONGEST_SESSION, MAX_SESSIONS, UNREAD_SECONDS


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
        if len(session) > LONGEST_SESSION:
            raise ValueError("the name of this session is too long")
        if session not in self.session_data:
            self.session_data[session] = ForgetfulSession(self.blocks)
        return super().__getitem__(session)


def forget_sessions(page: gr.Blocks) -> None:
    """Exchange the sessions of a page that was just launched."""
    page.app.state_holder = ForgetfulHolder()
    page.app.state_holder.set_blocks(page)
    page.app.state_holder.capacity = MAX_SESSIONS
    leftovers = bound_framework(page)

    def run() -> None:
        while True:
            time.sleep(UNREAD_SECONDS / 4)
            leftovers.drop_in_loop()
            give_back_memory()

    threading.Thread(target=run, name="leftovers", daemon=True).start()
