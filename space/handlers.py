"""What happens when a photo arrives: the library analyses it, the answer is drawn or returned as figures."""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.photos import PhotoError, load_photo
from grefel_hf.results import PhotoPrediction

from . import wording
from .face_view import faces_view
from .hardware import on_gpu
from .photo_view import photo_view
from .uploads import uploaded_file


class PhotoHandlers:
    """The functions behind the page and its endpoint. They keep nothing between calls."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predict = on_gpu(predictor.__call__)

    def predict(self, photo: dict[str, Any]) -> dict[str, Any]:
        """
        Recognise the facial expression of every face in a photo, with reliability balancing.

        Args:
            photo: an image file with any number of faces (JPEG, PNG, WebP, ...).

        Returns:
            The photo's size and detector, and a list of faces from left to right, empty if none was found. Each face
            has a box (left, top, right, bottom in pixels), a label and score, the distributions primary, geometric,
            attentive, correction and corrected (class to probability), the confidences of these (0 to 1), the
            similarity of every anchor by class, landmarks and an attention map; null for parts the model lacks.
        """
        _, prediction = self._analyse(uploaded_file(photo))
        return prediction.to_dict()

    def draw_upload(self, photo: dict[str, Any]) -> tuple[str, str]:
        """The two parts of the page that show a result: the photo with boxes, and the faces' figures."""
        return self.draw(uploaded_file(photo))

    def draw(self, path: str) -> tuple[str, str]:
        """The same for a file of the server's own: the example."""
        image, prediction = self._analyse(path)
        return photo_view(image, prediction), faces_view(prediction)

    def _analyse(self, path: str) -> tuple[Image.Image, PhotoPrediction]:
        """The upright photo and its prediction; one that cannot be read is the visitor's to mend: no traceback."""
        try:
            image = load_photo(path)
        except PhotoError as error:
            message = escape(wording.photo_error(str(error), path), quote=False)
            raise gr.Error(message, title="This photo cannot be read", print_exception=False) from None
        # The server's folder is nobody's business: only the name that the file came with.
        return image, replace(self._predict(image), source=Path(path).name)
