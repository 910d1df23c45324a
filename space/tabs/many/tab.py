"""The tab for many photos: files in, cards and a CSV file out; a card opens its photo in the photo tab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ...limits import MODEL
from ...links import bounded
from ...rendering import html, render
from ...uploads import PRIVATE, Refusal, uploaded_file
from ..photo.tab import PhotoTab
from .handlers import ManyPhotosHandlers
from .view import batch_view

SCRIPT = Path(__file__).with_name("photos.js")


def many_tab(handlers: ManyPhotosHandlers, tabs: gr.Tabs, photo_tab: PhotoTab) -> None:
    """Make the tab's parts and events inside the Blocks context that is open."""

    def empty() -> str:
        return render("many/empty")

    files = bounded(
        gr.File(
            label="Photos",
            file_count="multiple",
            file_types=["image", ".zip"],
            height=150,
            elem_id="gf-files",
        )
    )
    html(render("many/folder"), "gf-many-folder")
    cancel = gr.Button("Cancel", elem_id="gf-many-cancel")  # page.css shows it while there is progress
    view = html(empty(), "gf-many-view", script=SCRIPT.read_text(encoding="utf-8"))

    def show(photos: list[dict[str, Any]] | None) -> Iterator[str]:
        try:
            for batch in handlers.analyse(photos):
                yield batch_view(batch)
        except Refusal as error:
            yield error.view()

    def open_photo(event: gr.EventData) -> list[Any]:
        return [gr.Tabs(selected="photo"), *photo_tab.shown(uploaded_file(event._data), one_of_many=True)]

    shown = files.upload(show, files, view, trigger_mode="multiple", show_progress="hidden", **PRIVATE, **MODEL)
    shown.failure(empty, None, view, queue=False, show_progress="hidden", **PRIVATE)
    files.clear(empty, None, view, queue=False, show_progress="hidden", cancels=shown, **PRIVATE)
    # Afterwards, not at once: photos that were under way would come after it.
    stopped = cancel.click(None, cancels=shown).then(
        lambda: (None, empty()), None, [files, view], queue=False, show_progress="hidden", **PRIVATE
    )
    stopped.then(None, js="() => focusOn('#gf-files button.upload-container')")
    files.delete(None, files, None, js="(files) => keepPhotos(files)")
    opened = view.click(open_photo, None, [tabs, *photo_tab.parts], show_progress_on=view, **PRIVATE, **MODEL)
    photo_tab.focus_after(opened)
    back = photo_tab.back.click(
        lambda: gr.Tabs(selected="many"), None, tabs, queue=False, show_progress="hidden", **PRIVATE
    )
    back.then(None, js="() => focusOn('.gf-many-photo[data-opened] button')")
