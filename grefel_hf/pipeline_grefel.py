"""From photos to the expressions of the faces in them, as a pipeline of transformers that travels with the weights."""

from pathlib import Path
from typing import Any

import torch
from transformers import Pipeline
from transformers.utils import cached_file

from .faces.cropping import crop_face
from .faces.detection import create_detector
from .faces.photos import load_photo
from .hub import RELIABILITY_FILE
from .reliability import CANNOT_TELL, Reliability, load_reliability, write_reliability

TASK = "facial-expression-recognition"
BATCH_SIZE = 32  # faces per forward pass


class FacialExpressionPipeline(Pipeline):
    """
    Finds the faces of photos, crops them as the training crops were framed, and gives the distribution of each.

    `pipeline("image-classification")` takes crops: a whole photo would be read as one face. Of a file with
    16 bits it makes a white square, cut off by transformers before this model's image processor is called, which can
    only warn; this pipeline reads such crops with `detector="none"`.

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
        self.reliability = _reliability_of(self.model)

    def _sanitize_parameters(self, detector: str | None = None, answer_all: bool | None = None):
        return (
            {} if detector is None else {"detector": detector},
            {},
            {} if answer_all is None else {"answer_all": answer_all},
        )

    def __call__(self, inputs, **kwargs) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
        """
        Args:
            inputs: a photo or a list of photos, each a path, PIL image or array (see `load_photo`).
            detector (`str`, *optional*, defaults to `"auto"`):
                "yunet", "hog", "auto" (the best there is), or "none" for images that are face crops already.
            answer_all (`bool`, *optional*, defaults to `False`):
                Whether to name the top class of what is not answerable, too.

        Returns:
            For each photo its faces from left to right, none being an empty list; for each face:

            - **label**, **score**: the top class and its probability; "cannot tell" for what is not answerable.
            - **box**: xmin, ymin, xmax, ymax in pixels of the upright photo; it may reach beyond the photo.
            - **detector_score**: how sure the detector is; not comparable between detectors.
            - **distribution**: the corrected probability of each class, by name.
            - **primary**: the same before reliability balancing.
            - **confidence**: of the corrected distribution, from 0 (uniform) to 1.

            Where the model has a reliability.json:

            - **is_answerable**: whether this is a face that can be read.
            - **expected_accuracy**: the share of such answers that were right; None for what is not answerable.
            - **prediction_set**: labels of which one is right for 90 % of faces; None for what is not answerable.
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
        seen = self.reliability.answerability.fields if self.reliability and self.reliability.answerability else ()
        for name in {"logits", "primary_logits", "corrected_confidence", *seen} if outputs else ():
            inputs[name] = torch.cat([output[name] for output in outputs]).float()
        return inputs

    def postprocess(self, outputs: dict[str, Any], answer_all: bool = False) -> list[dict[str, Any]]:
        if not outputs["boxes"]:
            return []
        corrected, primary = (outputs[name].softmax(-1) for name in ("logits", "primary_logits"))
        labels = [self.model.config.id2label[i] for i in range(corrected.shape[-1])]
        certainties = self._certainties(corrected, outputs)
        rows = zip(outputs["boxes"], outputs["detector_scores"], corrected, primary, outputs["corrected_confidence"])
        return [
            {
                "label": labels[int(distribution.argmax())]
                if answer_all or certainty.get("is_answerable") is not False
                else CANNOT_TELL,
                "score": float(distribution.max()),
                "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(round, box))),
                "detector_score": score,
                "distribution": dict(zip(labels, distribution.tolist())),
                "primary": dict(zip(labels, before.tolist())),
                "confidence": float(confidence),
                **certainty,
            }
            for (box, score, distribution, before, confidence), certainty in zip(rows, certainties)
        ]

    def _certainties(self, corrected: torch.Tensor, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Of each face `is_answerable`, `expected_accuracy` and `prediction_set`; empty where nothing was measured."""
        if self.reliability is None:
            return [{}] * len(corrected)
        arrays = {name: values.numpy() for name, values in outputs.items() if isinstance(values, torch.Tensor)}
        return [
            self.reliability.certainty(distribution, {name: values[index] for name, values in arrays.items()})
            for index, distribution in enumerate(corrected.numpy())
        ]

    def save_pretrained(self, save_directory: str, **kwargs):
        """Model and image processor, which bring the code with them, and reliability.json where there is one."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory, **kwargs)
        if self.reliability is not None:
            write_reliability(save_directory, self.reliability)


def _reliability_of(model) -> Reliability | None:
    """What lies beside a model's weights, in a folder or in the Hub's cache, or on the Hub."""
    place = {"revision": getattr(model.config, "_commit_hash", None), "_raise_exceptions_for_missing_entries": False}
    place |= {"_raise_exceptions_for_connection_errors": False, "_raise_exceptions_for_gated_repo": False}
    file = cached_file(model.name_or_path, RELIABILITY_FILE, **place) if model.name_or_path else None
    labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
    return None if file is None else load_reliability(Path(file).parent, labels)


__all__ = ["FacialExpressionPipeline"]
