"""The tab for the camera: camera.js sends frames, one after the answer to the other, and draws what comes back."""

from pathlib import Path

import gradio as gr

from ...limits import LIVE_VISITORS
from ...rendering import html, render
from ...uploads import PRIVATE
from .handlers import LiveHandlers, Memory
from .view import empty_view

SCRIPT = Path(__file__).with_name("camera.js")
FORGET_SECONDS = 300
WAITING_AT_ONCE = 30  # asking for one's place costs nothing


def live_tab(page: gr.Blocks, handlers: LiveHandlers) -> None:
    """Make the tab's parts and events inside the context of the page, which is open."""
    memory = gr.State(None, time_to_live=FORGET_SECONDS)
    with gr.Row(elem_classes="gf-columns"):
        with gr.Column(scale=5, min_width=320):
            camera = html(render("live/camera"), "gf-camera", script=SCRIPT.read_text(encoding="utf-8"))
        with gr.Column(scale=7, min_width=320):
            view = html(empty_view(), "gf-live-view")

    def answer(kept: Memory | None, event: gr.EventData, request: gr.Request) -> tuple:
        found, kept = handlers.answer(request.session_hash or "", event._data or {}, kept)
        return found or gr.skip(), kept

    def leave(request: gr.Request) -> None:
        handlers.leave(request.session_hash or "")

    page.unload(leave)
    camera.submit(
        answer,
        memory,
        [view, memory],
        concurrency_limit=LIVE_VISITORS + WAITING_AT_ONCE,
        concurrency_id="live",  # of their own: a camera must not keep photos waiting
        trigger_mode="multiple",  # that someone stops is told while a frame is under way
        show_progress="hidden",
        **PRIVATE,
    )
