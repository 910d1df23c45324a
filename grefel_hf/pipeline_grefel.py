"""From photos to the expressions of the faces in them, as a pipeline of transformers that travels with the weights."""

from typing import Any

import torch
from transformers import Pipeline

from .faces.cropping import crop_face
from .faces.detection import create_detector
from .faces.photos import load_photo

TASK = "facial-expression-recognition"
BATCH_SIZE = 32  # faces per forward pass


class FacialExpressionPipeline(Pipeline):
    """
    Finds the faces of photos, crops them as the training crops were framed, and gives the distribution of each.

    `pipeline("image-classification")` takes crops: a whole photo would be read as one face.

    ```python
    >>> from transformers import pipeline
    >>> from grefel_hf.checkpoint import BUNDLED_CHECKPOINT

    >>> recognizer = pipeline("facial-expression-recognition", model=BUNDLED_CHECKPOINT)
    >>> recognizer("photo.jpg")
    [{'label': 'happiness', 'score': 0.99..., 'box': {'xmin': ..., 'ymin': ..., 'xmax': ..., 'ymax': ...}, ...}]
    ```

    Of a repository on the Hub, without the package: `model="user/grefel", trust_remote_code=True`.
    """

    _load_processor = False
    _load_image_processor = True
    _load_feature_extractor = False
    _load_tokenizer = False
    _load_video_processor = False

    def __init__(self, *args, **kwargs):
        self._detectors = {}
        super().__init__(*args, **kwargs)

    def _sanitize_parameters(self, detector: str | None = None):
        return ({} if detector is None else {"detector": detector}), {}, {}

    def __call__(self, inputs, **kwargs) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
        """
        Args:
            inputs: a photo or a list of photos, each a path, PIL image or array (see `load_photo`).
            detector (`str`, *optional*, defaults to `"auto"`):
                "yunet", "hog", "auto" (the best there is), or "none" for images that are face crops already.

        Returns:
            For each photo its faces from left to right, none being an empty list; for each face:

            - **label**, **score**: the top class and its probability.
            - **box**: xmin, ymin, xmax, ymax in pixels of the upright photo; it may reach beyond the photo.
            - **detector_score**: how sure the detector is; not comparable between detectors.
            - **distribution**: the corrected probability of each class, by name.
            - **primary**: the same before reliability balancing.
            - **confidence**: of the corrected distribution, from 0 (uniform) to 1.
        """
        return super().__call__(inputs, **{**kwargs, "batch_size": 1})  # one photo's faces are a batch

    def preprocess(self, photo, detector: str = "auto") -> dict[str, Any]:
        if detector not in self._detectors:
            self._detectors[detector] = create_detector(detector)
        image = load_photo(photo)
        faces = self._detectors[detector].detect(image)
        values = {"boxes": [face.box for face in faces], "detector_scores": [face.score for face in faces]}
        if faces:
            crops = [crop_face(image, face) for face in faces]
            values["pixel_values"] = self.image_processor(crops, return_tensors="pt")["pixel_values"].to(self.dtype)
        return values

    def _forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        pixel_values = inputs.pop("pixel_values", torch.empty(0))
        outputs = [self.model(pixel_values=batch) for batch in pixel_values.split(BATCH_SIZE) if len(batch)]
        for name in ("logits", "primary_logits", "corrected_confidence") if outputs else ():
            inputs[name] = torch.cat([output[name] for output in outputs])
        return inputs

    def postprocess(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        if not outputs["boxes"]:
            return []
        corrected, primary = (outputs[name].float().softmax(-1) for name in ("logits", "primary_logits"))
        labels = [self.model.config.id2label[i] for i in range(corrected.shape[-1])]
        rows = zip(outputs["boxes"], outputs["detector_scores"], corrected, primary, outputs["corrected_confidence"])
        return [
            {
                "label": labels[int(distribution.argmax())],
                "score": float(distribution.max()),
                "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(round, box))),
                "detector_score": score,
                "distribution": dict(zip(labels, distribution.tolist())),
                "primary": dict(zip(labels, before.tolist())),
                "confidence": float(confidence),
            }
            for box, score, distribution, before, confidence in rows
        ]

    def save_pretrained(self, save_directory: str, **kwargs):
        """Model and image processor, which bring the code with them."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory, **kwargs)


__all__ = ["FacialExpressionPipeline"]
