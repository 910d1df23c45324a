"""The tab for many photos: files in, a table and a CSV file out; a row opens its photo in the photo tab."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...limits import MAX_PHOTO_MB, MAX_PHOTOS
from ...links import bounded
from ...parts import MODEL, PRIVATE, html
from ...uploads import refuse, uploaded_file
from ..photo.tab import PhotoTab
from .handlers import ManyPhotosHandlers, batch_view

EMPTY = f"""
<section class="gf-empty">
  <h2>A table of all faces in your photos</h2>
  <p>Up to {MAX_PHOTOS} photos of at most {MAX_PHOTO_MB} MB each. Every face becomes a row of a CSV file with all
  distributions and confidences; every photo can be opened to see why.</p>
</section>
"""
# Which photo was chosen travels with the click.
CHOOSE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-photo]");
  if (button) trigger("click", { number: Number(button.dataset.photo) });
});
"""


def many_tab(handlers: ManyPhotosHandlers, tabs: gr.Tabs, photo_tab: PhotoTab) -> None:
    """Make the tab's parts and events inside the Blocks context that is open."""
    files = bounded(
        gr.File(
            label="Photos",
            file_count="multiple",
            file_types=["image"],
            height=150,
            elem_id="gf-files",
        )
    )
    view = html(EMPTY, "gf-many-view", script=CHOOSE)

    def show(photos: list[dict[str, Any]] | None) -> Iterator[str]:
        for batch in handlers.analyse(photos):
            yield batch_view(batch)

    def open_photo(photos: list[dict[str, Any]] | None, event: gr.EventData) -> list[Any]:
        number = event.number
        if not photos or not isinstance(number, int) or not 0 <= number < len(photos):
            raise refuse("This photo is no longer there: upload it again.", "No photo")
        return [gr.Tabs(selected="photo"), *photo_tab.shown(uploaded_file(photos[number]))]

    def empty() -> str:
        return EMPTY

    shown = files.upload(show, files, view, show_progress="hidden", **PRIVATE, **MODEL)
    shown.failure(empty, None, view, queue=False, show_progress="hidden", **PRIVATE)
    files.clear(empty, None, view, queue=False, show_progress="hidden", cancels=shown, **PRIVATE)
    view.click(open_photo, files, [tabs, *photo_tab.parts], show_progress_on=view, **PRIVATE, **MODEL)
