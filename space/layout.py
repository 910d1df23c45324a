"""The page: where its parts are and which event fills them."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from grefel_hf import FacialExpressionPredictor

from . import about
from .face_view import empty_view
from .handlers import PhotoHandlers

TITLE = "GReFEL: reliable facial expression recognition"
EXAMPLE = Path(__file__).parent / "examples" / "eileen_collins.jpg"
# Uploads older than the second number (seconds) are deleted; how often is the first. The page promises ten minutes.
DELETE_CACHE = (60, 480)
QUEUE_SIZE = 32
# Photos analysed at once: one already uses all cores of a small machine.
AT_ONCE = {"concurrency_limit": 1, "concurrency_id": "model"}


def build_page(predictor: FacialExpressionPredictor, model: str | None = None) -> gr.Blocks:
    """
    Args:
        predictor: answers for all visitors.
        model: folder or Hub id of a model other than the bundled one, to be named on the page.
    """
    handlers = PhotoHandlers(predictor)
    empty = empty_view(predictor.labels)
    terms = about.OTHER_LICENCE.format(name=escape(_public_name(model))) if model else about.BUNDLED_LICENCE
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=DELETE_CACHE) as page:
        _text(about.HEADER, "gf-header")
        with gr.Row(elem_id="gf-layout"):
            with gr.Column(scale=5, min_width=320, elem_id="gf-side"):
                photo = gr.Image(
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam", "clipboard"],
                    label="Photo",
                    show_label=False,
                    height=440,
                    elem_id="gf-upload",
                    buttons=[],
                    placeholder=about.UPLOAD,
                )
                view = _text("", "gf-photo-view", visible=False)
                another = gr.Button("Another photo", variant="primary", visible=False, elem_id="gf-another")
                example = gr.Button("Example: Eileen Collins (NASA)", icon=str(EXAMPLE), elem_id="gf-example")
            with gr.Column(scale=7, min_width=320, elem_id="gf-main"):
                faces = _text(empty, "gf-faces")
        _text(about.ABOUT.format(licence=terms), "gf-about")

        parts = [photo, view, faces, another, example]

        def reset() -> tuple:
            return _without_result(empty)

        def show(upload: dict[str, Any] | None) -> Any:
            if upload is None:  # the field was emptied, or the camera has just been switched on
                return gr.skip()
            return _with_result(*handlers.draw_upload(upload))

        def show_example() -> tuple:
            return _with_result(*handlers.draw(str(EXAMPLE)))

        # These serve the page only; programs use the endpoint below.
        events = {"outputs": parts, "api_visibility": "private", "show_progress_on": [photo, faces], **AT_ONCE}
        shown = photo.input(show, photo, preprocess=False, **events)
        shown.failure(reset, None, parts, api_visibility="private", queue=False, show_progress="hidden")
        example.click(show_example, None, **events)
        another.click(reset, None, parts, api_visibility="private", queue=False, show_progress="hidden")

        prediction = gr.JSON(label="Prediction", visible=False)
        endpoint = gr.Button(visible=False)
        endpoint.click(handlers.predict, photo, prediction, preprocess=False, api_name="predict", **AT_ONCE)
    return page.queue(max_size=QUEUE_SIZE, api_open=False)


def _public_name(model: str) -> str:
    """A Hub id as it is; of a folder only its name, as visitors need not know where it lies on the server."""
    return Path(model).resolve().name if Path(model).exists() else model


def _text(html: str, name: str, *, visible: bool = True) -> gr.HTML:
    return gr.HTML(html, elem_id=name, visible=visible, apply_default_css=False, js_on_load=None)


def _with_result(photo_html: str, faces_html: str) -> tuple:
    """The photo with boxes takes the place of the upload field."""
    return (
        gr.update(value=None, visible=False),
        gr.update(value=photo_html, visible=True),
        faces_html,
        gr.update(visible=True),
        gr.update(visible=False),
    )


def _without_result(empty_html: str) -> tuple:
    """The upload field is back."""
    return (
        gr.update(value=None, visible=True),
        gr.update(value="", visible=False),
        empty_html,
        gr.update(visible=False),
        gr.update(visible=True),
    )
