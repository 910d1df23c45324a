"""From what Gradio's image input sends to the file exactly as it was uploaded."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder


def uploaded_file(payload: dict[str, Any] | None) -> str:
    """
    The path of an upload.

    The events of this page have `preprocess=False`: Gradio would open the picture itself and may encode it anew, which
    changes the pixels and turns a damaged file into an error without a reason. So the payload is checked here.

    Args:
        payload: the image input's value as it came from the browser or client.

    Raises:
        gr.Error: there is no file, or it is not one of Gradio's uploads.
    """
    if not payload or not payload.get("path"):
        raise gr.Error("There is no photo yet: upload one.", title="No photo", print_exception=False)
    path = Path(payload["path"]).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise gr.Error("Only uploaded photos can be read.", title="Not an upload", print_exception=False)
    return str(path)
