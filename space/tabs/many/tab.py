"""The tab for many photos: files in, a table and a CSV file out; a row opens its photo in the photo tab."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...limits import MODEL
from ...links import bounded
from ...rendering import html, render
from ...uploads import PRIVATE, refuse, uploaded_file
from ..photo.tab import PhotoTab
from .handlers import ManyPhotosHandlers
from .view import batch_view

# Which photo was chosen travels with the click.
CHOOSE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-photo]");
  if (button) trigger("click", { number: Number(button.dataset.photo) });
});
"""


def many_tab(handlers: ManyPhotosHandlers, tabs: gr.Tabs, photo_tab: PhotoTab) -> None:
    """Make the tab's parts and events inside the Blocks context that is open."""

    def empty() -> str:
        return render("many/empty")

    files = bounded(
        gr.File(
            label="Photos",
            file_count="multiple",
            file_types=["image"],
            height=150,
            elem_id="gf-files",
        )
    )
    view = html(empty(), "gf-many-view", script=CHOOSE)

    def show(photos: list[dict[str, Any]] | None) -> Iterator[str]:
        for batch in handlers.analyse(photos):
            yield batch_view(batch)

    def open_photo(photos: list[dict[str, Any]] | None, event: gr.EventData) -> list[Any]:
        number = event.number
        if not photos or not isinstance(number, int) or not 0 <= number < len(photos):
            raise refuse("This photo is no longer there: upload it again.", "No photo")
        return [gr.Tabs(selected="photo"), *photo_tab.shown(uploaded_file(photos[number]))]

    shown = files.upload(show, files, view, show_progress="hidden", **PRIVATE, **MODEL)
    shown.failure(empty, None, view, queue=False, show_progress="hidden", **PRIVATE)
    files.clear(empty, None, view, queue=False, show_progress="hidden", cancels=shown, **PRIVATE)
    view.click(open_photo, files, [tabs, *photo_tab.parts], show_progress_on=view, **PRIVATE, **MODEL)
