"""From what Gradio's inputs send to files exactly as they were uploaded, and to photos."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from markupsafe import escape

from grefel_hf.faces.photo_reader import PhotoReader
from grefel_hf.faces.photos import Photo, PhotoError

from . import sentences as wording
from .limits import MAX_PHOTO_MB, MAX_PIXELS, MAX_STORED_MB, PHOTO_SECONDS
from .rendering import render
from .storage import folder_bytes

PHOTOS = PhotoReader(MAX_PIXELS, PHOTO_SECONDS)  # of all visitors
# Of events that serve the page only; programs use the endpoints. Their values come as they were sent.
PRIVATE = {"api_visibility": "private", "preprocess": False}


class Refusal(gr.Error):
    """
    What the visitor can mend: shown in place, or given to the program without a traceback.

    text: the message as it is; the framework takes `message` for HTML.
    """

    def __init__(self, text: str, title: str):
        super().__init__(str(escape(text)), title=title, print_exception=False)
        self.text = text

    def view(self) -> str:
        """What takes the place of a result, and stays there."""
        return render("problem", title=self.title, text=self.text)


def refuse(message: str, title: str) -> Refusal:
    """A `Refusal`, to be raised."""
    return Refusal(message, title)


def uploaded_file(payload: dict[str, Any] | None, what: str = "photo") -> str:
    """
    The path of an upload.

    The events of this page do not preprocess: Gradio would open the picture itself and may encode it anew, which
    changes the pixels and turns a damaged file into an error without a reason. So the payload is checked here.

    Args:
        payload: a file input's value as it came from the browser or client.
        what: what the file should be, for messages.

    Raises:
        gr.Error: there is no file, or it is not one of Gradio's uploads.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("path"), str) or not payload["path"]:
        raise refuse(f"There is no {what} yet: upload one.", f"No {what}")
    path = Path(payload["path"]).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise refuse(f"Only an uploaded {what} can be read.", "Not an upload")
    if not path.is_file():
        raise refuse(f"This {what} has been deleted from the server meanwhile: upload it again.", f"No {what}")
    return str(path)


def require_room(megabytes: float) -> None:
    """Raises gr.Error where so much more on disk would be more than the page keeps in all."""
    if folder_bytes(Path(get_upload_folder())) / 1e6 + megabytes > MAX_STORED_MB:
        raise refuse("There is no room for files at the moment: try again in some minutes.", "No room")


def open_photo(path: str) -> Photo:
    """
    An upload as upright RGB picture, with what was done to it.

    Raises:
        PhotoError: it is over a limit of this page, or cannot be read; see `PhotoReader.read`.
    """
    try:
        megabytes = Path(path).stat().st_size / 1e6
    except OSError:  # its turn came after the sweeper's
        raise PhotoError(f"{path} has been deleted from the server meanwhile: upload it again") from None
    if megabytes > MAX_PHOTO_MB:
        raise PhotoError(f"{path} has {megabytes:.0f} MB, the limit is {MAX_PHOTO_MB} MB: scale it down")
    return PHOTOS.read(path)


def open_photo_or_refuse(path: str) -> Photo:
    """The same; a photo that cannot be had is the visitor's to mend."""
    try:
        return open_photo(path)
    except PhotoError as error:
        raise refuse(wording.photo_error(str(error), path), "This photo cannot be read") from None
