"""The tab for one photo: an upload field that the photo with its boxes replaces, and the figures beside it."""

from pathlib import Path
from typing import Any

import gradio as gr

from ...limits import MODEL
from ...links import bounded
from ...rendering import html, render
from ...uploads import PRIVATE, Refusal, refuse, uploaded_file
from .examples import SCRIPT, example_file, examples_view
from .handlers import PhotoHandlers
from .view import empty_view

REASONS_SCRIPT = Path(__file__).with_name("reasons.js")
LOADING = "(photo) => { if (photo) startLoading(photo.url); return photo; }"
# In the upload field; the first line is its heading.
UPLOAD = "# Drop a photo here\nor click to choose one. It is not kept."


class PhotoTab:
    """
    Makes the tab's parts and events inside the Blocks context that is open.

    parts: the components that `shown` and `emptied` fill.
    photo: the upload field.
    back: the button that leads back to many photos, shown where this is one of them.
    """

    def __init__(self, handlers: PhotoHandlers, labels: tuple[str, ...]):
        self._handlers = handlers
        self._empty = empty_view(labels)
        with gr.Row(elem_id="gf-layout"):
            with gr.Column(scale=5, min_width=320, elem_id="gf-side"):
                self.photo = bounded(
                    gr.Image(
                        type="filepath",
                        image_mode=None,
                        sources=["upload", "webcam", "clipboard"],
                        label="Photo",
                        show_label=False,
                        height=440,
                        elem_id="gf-upload",
                        buttons=[],
                        placeholder=UPLOAD,
                    )
                )
                html(render("photo/loading"), "gf-loading")
                view = html("", "gf-photo-view", visible=False)
                self.back = gr.Button("Back to all photos", visible=False, elem_id="gf-back")
                another = gr.Button("Another photo", variant="primary", visible=False, elem_id="gf-another")
                cancel = gr.Button("Cancel", elem_id="gf-cancel")
                examples = html(examples_view(), "gf-examples", script=SCRIPT)
            with gr.Column(scale=7, min_width=320, elem_id="gf-main"):
                faces = html(self._empty, "gf-faces")
                covered = html("", "gf-covered", script=REASONS_SCRIPT.read_text(encoding="utf-8"))
        self.parts = [self.photo, view, faces, self.back, another, examples]

        # What is shown meanwhile loading.js sees to.
        events = {"outputs": self.parts, "show_progress": "hidden", **PRIVATE, **MODEL}
        at_once = {"outputs": self.parts, "queue": False, "show_progress": "hidden", **PRIVATE}
        uploaded = self.photo.input(self._show_upload, self.photo, js=LOADING, trigger_mode="multiple", **events)
        uploaded.failure(self.emptied, None, **at_once)
        chosen = examples.click(self._show_example, None, trigger_mode="multiple", **events)
        for event in (uploaded, chosen):
            self.focus_after(event)
            event.failure(None, js="() => isAnswered()")
        # Afterwards, not at once: an answer that was under way would come after it.
        cancelled = cancel.click(None, cancels=[uploaded, chosen]).then(self.emptied, None, **at_once)
        covered.submit(self._cover, None, covered, trigger_mode="multiple", show_progress="hidden", **PRIVATE, **MODEL)
        for event in (cancelled, another.click(self.emptied, None, **at_once)):
            event.then(None, js="() => { stopLoading(); focusOn('#gf-upload button.upload-container'); }")

    @staticmethod
    def focus_after(event: gr.events.Dependency) -> None:
        """Once this event has shown a result, the focus goes there."""
        event.success(None, js="() => focusAnswer()")

    def shown(self, path: str, one_of_many: bool = False) -> tuple:
        """The parts with the result of a photo in place of the upload field; `one_of_many`: with a way back."""
        photo_html, faces_html = self._handlers.draw(path)
        return (
            gr.update(value=None, visible="hidden"),  # not gone: a photo that is dropped onto the result comes by it
            gr.update(value=photo_html, visible=True),
            faces_html,
            gr.update(visible=one_of_many),
            gr.update(visible=True),
            gr.update(visible=False),
        )

    def emptied(self, problem: Refusal | None = None) -> tuple:
        """The parts without a result: the upload field is back, and beside it what was wrong."""
        return (
            gr.update(value=None, visible=True),
            gr.update(value="", visible=False),
            problem.view() if problem else self._empty,
            gr.update(visible=False),
            gr.update(visible=False),
            gr.update(visible=True),
        )

    def _show_upload(self, upload: dict[str, Any] | None) -> Any:
        if upload is None:  # the field was emptied, or the camera has just been switched on
            return gr.skip()
        try:
            return self.shown(uploaded_file(upload))
        except Refusal as error:
            return self.emptied(error)

    def _cover(self, event: gr.EventData) -> str:
        return self._handlers.cover(event._data or {})

    def _show_example(self, event: gr.EventData) -> tuple:
        path = example_file((event._data or {}).get("name"))
        return self.emptied(refuse("There is no such example.", "No example")) if path is None else self.shown(path)
