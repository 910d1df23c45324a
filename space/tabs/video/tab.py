"""The tab for a video: it is analysed on demand, with a progress bar and a button that cancels."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...limits import VIDEO
from ...links import bounded
from ...rendering import html, render
from ...uploads import PRIVATE, Refusal
from ..photo.examples import CLIP
from .handlers import MAX_SMOOTHING, SMOOTHING, VideoHandlers
from .view import analysis_view, progress_view


def video_tab(handlers: VideoHandlers, labels: tuple[str, ...]) -> None:
    """Make the tab's parts and events inside the Blocks context that is open."""
    with gr.Row(elem_classes="gf-columns"):
        with gr.Column(scale=5, min_width=320):
            video = bounded(
                gr.Video(
                    sources=["upload", "webcam"],
                    label="Video",
                    show_label=False,
                    height=330,
                    elem_id="gf-video-upload",
                    buttons=[],
                )
            )
            smoothing = gr.Slider(
                0, MAX_SMOOTHING, SMOOTHING, step=0.1, label="Smoothing, in seconds", elem_id="gf-smoothing", buttons=[]
            )
            start = gr.Button("Analyse", variant="primary", elem_id="gf-video-start")
            example = gr.Button("Try a short clip", visible=CLIP.is_file(), elem_id="gf-video-example")
            cancel = gr.Button("Cancel", visible=False, elem_id="gf-video-cancel")
        with gr.Column(scale=7, min_width=320):
            clip = gr.Video(
                label="Annotated copy",
                show_label=False,
                interactive=False,
                visible=False,
                height=330,
                elem_id="gf-clip",
                buttons=["download"],
            )
            view = html(render("video/empty"), "gf-video-view")

    def idle(content: str, path: str | None = None) -> tuple:
        return (
            content,
            gr.update(value=path, visible=path is not None),
            gr.update(interactive=True),
            gr.update(visible=CLIP.is_file()),
            gr.update(visible=False),
        )

    def run(upload: dict[str, Any] | None, seconds: float) -> Iterator[tuple]:
        analysis = None
        try:
            for analysis in handlers.analyse(upload, seconds):
                yield (
                    progress_view(analysis),
                    gr.update(value=None, visible=False),
                    gr.update(interactive=False),
                    gr.update(visible=False),
                    gr.update(visible=True),
                )
        except Refusal as error:
            yield idle(error.view())
            return
        except Exception:  # said in a message over the page; `failure` would also fire where someone cancels
            yield idle(render("video/empty"))
            raise
        yield idle(analysis_view(analysis, labels), analysis.clip)

    def cancelled() -> tuple:
        return idle(render("video/cancelled"))

    parts = [view, clip, start, example, cancel]
    view.change(None, js="() => focusIfLost('#gf-video-start:enabled, #gf-video-cancel')", **PRIVATE)
    events = {"inputs": [video, smoothing], "outputs": parts, "show_progress": "hidden", **PRIVATE, **VIDEO}
    chosen = example.click(
        lambda: str(CLIP), None, video, queue=False, show_progress="hidden", api_visibility="private"
    )
    running = [start.click(run, **events), chosen.success(run, **events)]
    # Afterwards, not at once: a report that was under way would come after the words.
    cancel.click(None, cancels=running).then(cancelled, None, parts, queue=False, show_progress="hidden", **PRIVATE)
