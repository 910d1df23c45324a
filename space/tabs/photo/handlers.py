"""What happens when a photo arrives: the library analyses it, the answer is drawn or returned as figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.comparison import compare_balancing
from grefel_hf.results import PhotoPrediction

from ...hardware import TURN, on_gpu
from ...measured import Coverage
from ...uploads import open_photo_or_refuse, uploaded_file
from .reasons import covered_view, refused_view, requested_crop
from .view import faces_view, photo_view


class PhotoHandlers:
    """
    The functions behind the photo view and its endpoints. They keep nothing between calls.

    Args:
        unsure: what was measured at the confidence below which the page warns.
    """

    def __init__(self, predictor: FacialExpressionPredictor, unsure: Coverage | None = None):
        self._predict = on_gpu(predictor.__call__)
        self._occlusions = on_gpu(predictor.occlusions)
        self._unsure = unsure

    def predict(self, photo: dict[str, Any]) -> dict[str, Any]:
        """
        Recognise the facial expression of every face in a photo, with reliability balancing. The answer is what people
        would call the expression; it says nothing about what a person feels, thinks or intends.

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

    def compare(self, photo: dict[str, Any]) -> dict[str, Any]:
        """
        Compare the answers with and without reliability balancing for every face in a photo: without it, with anchors
        only, with attention only, and with both. For one who asks why the answer is what it is.

        Args:
            photo: an image file with any number of faces (JPEG, PNG, WebP, ...).

        Returns:
            A list of faces from left to right, each with its box (left, top, right, bottom in pixels) and its setups:
            use_anchors and use_attentive_correction, label and score, distribution (class to probability), confidence.
        """
        _, prediction = self._analyse(uploaded_file(photo))
        return {
            "faces": [
                {"box": list(face.box), "setups": [setup.to_dict() for setup in compare_balancing(face)]}
                for face in prediction.faces
            ]
        }

    def draw(self, path: str) -> tuple[str, str]:
        """The two parts of the page that show a result: the photo with boxes, and the faces' figures."""
        image, prediction = self._analyse(path)
        return photo_view(image, prediction), faces_view(prediction, self._unsure)

    def cover(self, data: dict[str, Any]) -> str:
        """What the page shows when parts of a face were covered, one after the other."""
        asked = data.get("asked")
        try:
            crop, landmarks = requested_crop(data)
        except (ValueError, TypeError):
            return refused_view(asked)
        with TURN:
            return covered_view(asked, crop, self._occlusions(crop, landmarks))

    def occlusion(self, photo: dict[str, Any]) -> dict[str, Any]:
        """
        Cover brows, eyes, nose and mouth of every face in a photo, one after the other, and recognise what is left. For
        one who asks which part of a face an answer rests on. It is coarse: the model sees the parts together.

        Args:
            photo: an image file with any number of faces (JPEG, PNG, WebP, ...).

        Returns:
            A list of faces from left to right, each with its box (left, top, right, bottom in pixels) and occlusions,
            that which takes most from the answer first: region, box (fractions of the crop), label, drop, label_after,
            and the distributions before and after (class to probability).
        """
        _, prediction = self._analyse(uploaded_file(photo))
        with TURN:
            found = [self._occlusions(face.crop, face.landmarks) for face in prediction.faces]
        return {
            "faces": [
                {"box": list(face.box), "occlusions": [occlusion.to_dict() for occlusion in occlusions]}
                for face, occlusions in zip(prediction.faces, found)
            ]
        }

    def _analyse(self, path: str) -> tuple[Image.Image, PhotoPrediction]:
        """The upright photo and its prediction."""
        with TURN:
            photo = open_photo_or_refuse(path)
            found = self._predict(photo.image)
            # The server's folder is nobody's business: only the name that the file came with.
            return photo.image, replace(found, source=Path(path).name, notes=(*photo.notes, *found.notes))
