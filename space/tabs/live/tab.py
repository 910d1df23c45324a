"""The tab for the camera."""

import gradio as gr

from ...limits import LIVE_SECONDS, LIVE_VISITORS
from ...links import bounded
from ...rendering import html, render
from ...uploads import PRIVATE
from .handlers import LiveHandlers

STREAM_EVERY = 0.1  # seconds; a frame that comes while another is analysed replaces the one that waits
FORGET_SECONDS = 300


def live_tab(handlers: LiveHandlers) -> None:
    """Make the tab's parts and events inside the Blocks context that is open."""
    moments = gr.State([], time_to_live=FORGET_SECONDS)
    with gr.Row(elem_classes="gf-columns"):
        with gr.Column(scale=5, min_width=320):
            camera = bounded(
                gr.Image(
                    sources=["webcam"],
                    streaming=True,
                    type="pil",
                    label="Camera",
                    show_label=False,
                    height=440,
                    elem_id="gf-camera",
                    buttons=[],
                    webcam_options=gr.WebcamOptions(
                        mirror=True, constraints={"video": {"width": {"ideal": 640}, "facingMode": "user"}}
                    ),
                )
            )
            html(render("live/note"), "gf-live-note")
        with gr.Column(scale=7, min_width=320):
            view = html(render("live/empty"), "gf-live-view")
    camera.stream(
        handlers.frame,
        [camera, moments],
        [view, moments],
        stream_every=STREAM_EVERY,
        time_limit=LIVE_SECONDS,
        concurrency_limit=LIVE_VISITORS,
        concurrency_id="live",  # of their own: a camera must not keep photos waiting for minutes
        show_progress="hidden",
        **PRIVATE,
    )
