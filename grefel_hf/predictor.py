"""From photos to results: find faces, crop them, run the model on all of them in batches."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .bulk import overlapped
from .faces.cropping import crop_face
from .faces.detection import FaceDetector, create_detector
from .faces.face import Face
from .faces.photos import PhotoError, PhotoSource, load_photo
from .loading import load_checkpoint
from .results import PARTS, FacePrediction, PhotoPrediction
from .runtime.networks import Network, TorchNetwork, create_network

# Photos in memory at once: half of them wait until their faces go through the model together, half are read and
# searched meanwhile.
PHOTOS_IN_FLIGHT = 32


@dataclass(frozen=True)
class PhotoFailure:
    """A photo that could not be read: where it came from, and the error that says why."""

    source: str
    error: PhotoError


class FacialExpressionPredictor:
    """
    Facial expressions of every face in a photo.

        predictor = FacialExpressionPredictor.from_pretrained()
        result = predictor("photo.jpg")
        for face in result.faces:
            print(face.label, face.score)

    Args:
        model: a GReFELForImageClassification.
        processor: its image processor.
        detector: see `create_detector`.
        batch_size: faces per forward pass.
        network: what runs the model (see `create_network`); None for PyTorch.
    """

    def __init__(self, model, processor, detector: FaceDetector, batch_size: int = 32, network: Network | None = None):
        self.model = model.eval()
        self.network = network or TorchNetwork(self.model)
        self.processor = processor
        self.detector = detector
        self.batch_size = batch_size
        self.labels = tuple(model.config.id2label[i] for i in range(model.config.num_labels))

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        detector: str = "auto",
        device: str | torch.device = "cpu",
        batch_size: int = 32,
        revision: str | None = None,
        runtime: str | Path = "auto",
    ) -> "FacialExpressionPredictor":
        """
        Load a model with its processor and a face detector.

        Args:
            model: a folder or a Hub id; None for the checkpoint that comes with the package.
            detector: "auto", "yunet", "hog" or "none" (see `create_detector`).
            device: where the model runs.
            batch_size: faces per forward pass.
            revision: branch, tag or commit on the Hub.
            runtime: "torch", "compile", "onnx", an ONNX file, or "auto", the fastest (see `create_network`).

        Raises:
            OSError: the folder or repository does not exist or cannot be read.
            ValueError: the model is not a GReFEL model, or the detector or the runtime is unknown.
            DetectorUnavailableError: the detector that was asked for cannot be had.
            OnnxUnavailableError: ONNX Runtime was asked for and is not installed.
        """
        network, processor = load_checkpoint(model, revision=revision)
        network = network.to(device)
        return cls(network, processor, create_detector(detector), batch_size, create_network(network, runtime))

    def __call__(self, photos: PhotoSource | Sequence[PhotoSource]) -> PhotoPrediction | list[PhotoPrediction]:
        """
        Args:
            photos: a path, PIL image or array (see `load_photo`), or a list of them.

        Returns:
            One result, or a list of them in the same order. A photo without a face gives an empty list of faces.

        Raises:
            PhotoError: a photo cannot be read; its message names it.
        """
        if not isinstance(photos, list | tuple):
            return self([photos])[0]
        results = []
        for result in self.stream(photos, in_flight=min(len(photos), PHOTOS_IN_FLIGHT)):
            if isinstance(result, PhotoFailure):
                raise result.error
            results.append(result)
        return results

    def stream(
        self, photos: Iterable[PhotoSource], *, keep_crops: bool = True, in_flight: int = PHOTOS_IN_FLIGHT
    ) -> Iterator[PhotoPrediction | PhotoFailure]:
        """
        Results one by one, in order, in constant memory; a photo that cannot be read gives a `PhotoFailure`.

        Photos are read and searched in threads while the model works. Faces are batched across photos.

        Args:
            photos: read as they are needed, in this thread.
            keep_crops: with False the faces have no `crop`: for results that are kept by the thousand.
            in_flight: photos at most that are taken from `photos` and whose results are not out yet.
        """
        found = overlapped(self._find, photos, ahead=in_flight - in_flight // 2)
        with contextlib.closing(found):
            for chunk in self._chunks_of_faces(found, max(1, in_flight // 2)):
                outputs = iter(self._run([crop for item in chunk for crop in _crops(item)]))
                for item in chunk:
                    yield item if isinstance(item, PhotoFailure) else self._result(item, outputs, keep_crops)

    def _chunks_of_faces(self, found: Iterator["Found"], most: int) -> Iterator[list["Found"]]:
        """Photos until a batch of faces is full, `most` photos in any case."""
        chunk, faces = [], 0
        for item in found:
            chunk.append(item)
            faces += len(_crops(item))
            if faces >= self.batch_size or len(chunk) == most:
                yield chunk
                chunk, faces = [], 0
        if chunk:
            yield chunk

    def _find(self, photo: PhotoSource) -> "Found":
        source = str(photo) if isinstance(photo, str | Path) else None
        try:
            image = load_photo(photo)
        except PhotoError as error:
            return PhotoFailure(source or type(photo).__name__, error)
        faces = self.detector.detect(image)
        return _FoundFaces(source, image.size, faces, [crop_face(image, face) for face in faces])

    def _run(self, crops: list[Image.Image]) -> Iterator[dict]:
        """The model's outputs for each crop, as arrays without the batch axis."""
        for batch in _chunks(crops, self.batch_size):
            values = self.network(self.processor(batch, return_tensors="np")["pixel_values"])
            values["corrected"] = _softmax(values["logits"])
            values["primary"] = _softmax(values["primary_logits"])
            for index in range(len(batch)):
                yield {name: value[index] for name, value in values.items()}

    def _result(self, found: "_FoundFaces", outputs: Iterator[dict], keep_crops: bool) -> PhotoPrediction:
        width, height = found.size
        crops = found.crops if keep_crops else [None] * len(found.crops)
        faces = [self._face(face, crop, next(outputs)) for face, crop in zip(found.faces, crops)]
        return PhotoPrediction(found.source, width, height, self.detector.name, faces)

    def _face(self, face: Face, crop: Image.Image | None, values: dict) -> FacePrediction:
        confidences = {name: float(values[f"{name}_confidence"]) for name in PARTS if f"{name}_confidence" in values}
        attention_map = values.get("attention_map")  # (levels, S, S)
        return FacePrediction(
            box=face.box,
            detector_score=face.score,
            labels=self.labels,
            primary=values["primary"],
            corrected=values["corrected"],
            confidences=confidences,
            geometric=values.get("geometric_correction"),
            attentive=values.get("attentive_correction"),
            correction=values.get("correction"),
            anchor_similarities=values.get("anchor_similarities"),
            landmarks=values.get("landmarks"),
            attention_map=None if attention_map is None else attention_map.sum(0),
            crop=crop,
        )


def _softmax(logits: np.ndarray) -> np.ndarray:
    """(B, N) to distributions (B, N)."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def _chunks(items: Iterable, size: int) -> Iterator[list]:
    """Lists of `size` items, the last perhaps shorter (itertools.batched, which Python 3.11 lacks)."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


@dataclass(frozen=True)
class _FoundFaces:
    """A photo after detection: its size (width, height), faces and their crops."""

    source: str | None
    size: tuple[int, int]
    faces: list[Face]
    crops: list[Image.Image]


Found = _FoundFaces | PhotoFailure


def _crops(found: Found) -> list[Image.Image]:
    return [] if isinstance(found, PhotoFailure) else found.crops
