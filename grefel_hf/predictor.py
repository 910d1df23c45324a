"""From photos to results: find faces, crop them, run the model on all of them in batches."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .bulk import overlapped
from .checkpoint import checked_name
from .explanation import Explanation, load_explanation
from .faces.arrays import is_array
from .faces.cropping import crop_face
from .faces.detection import FaceDetector, create_detector
from .faces.face import Face
from .faces.photos import MAX_PIXELS, PhotoError, PhotoSource, read_photo, source_name
from .faces.turns import TURN_WORDS
from .hub import RELIABILITY_FILE, checkpoint_folder
from .occlusion import Occlusion, occlusions
from .opening import labels_of, open_checkpoint
from .plurals import counted
from .reliability import Reliability, load_reliability
from .results import PARTS, FacePrediction, PhotoPrediction
from .runtime.networks import Network, create_network

if TYPE_CHECKING:
    import torch

    from .model.modeling_grefel import GReFELForImageClassification

logger = logging.getLogger("grefel_hf")

# Photos in memory at once: half of them wait until their faces go through the model together, half are read and
# searched meanwhile.
PHOTOS_IN_FLIGHT = 32
BLUE_EXCESS = 12.0  # of 255
BLUE_FACES = "the faces are bluer than red, as if red and blue were swapped: pass channel_order='bgr' for BGR arrays"


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
        model: a GReFELForImageClassification; None for one that `network` stands for, as `from_pretrained` may.
        processor: its image processor.
        detector: see `create_detector`.
        batch_size: faces per forward pass.
        network: what runs the model (see `create_network`); None for PyTorch.
        labels: the class names in the model's order; None for those of its configuration.
        reliability: what was measured of the model's answers; None if nothing was.
        explanation: what the model does with the average face; None if that was not measured.
        answer_all: give the top class even of crops that `reliability` says cannot be read, whose label is "cannot
            tell" otherwise.
        answer_only: give no label either where the expected accuracy is below this share, of 1.

    Raises:
        ValueError: `answer_only` is no share, or there is no `reliability` for it; or both are asked for; or
            `batch_size` is below 1.
    """

    def __init__(
        self,
        model: "GReFELForImageClassification | None",
        processor,
        detector: FaceDetector,
        batch_size: int = 32,
        network: Network | None = None,
        labels: Sequence[str] | None = None,
        *,
        reliability: Reliability | None = None,
        explanation: Explanation | None = None,
        answer_all: bool = False,
        answer_only: float | None = None,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size {batch_size}: it is a number of faces, 1 at least")
        if answer_only is not None:
            _check_answer_only(answer_only, answer_all, reliability)
        self._model = model and model.eval()
        self.network = network or create_network(self._model, "torch")
        self._made_of: dict[str, Any] = {}  # what `from_pretrained` made, by attribute, and of what
        self._opening: dict[str, Any] = {}  # what it opened
        self.processor = processor
        self.detector = detector
        self.batch_size = batch_size
        self.labels = tuple(labels) if labels else labels_of(model.config.id2label)
        self.reliability, self.explanation = reliability, explanation
        self.answer_all, self.answer_only = answer_all, answer_only

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        detector: str = "auto",
        device: "str | torch.device" = "cpu",
        batch_size: int = 32,
        revision: str | None = None,
        runtime: str | Path = "auto",
        min_score: float | None = None,
        min_face: float = 0.0,
        dtype: "str | torch.dtype" = "auto",
        subfolder: str = "",
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        answer_all: bool = False,
        answer_only: float | None = None,
    ) -> "FacialExpressionPredictor":
        """
        Load a model with its processor and a face detector.

        Where the graph of its checkpoint is kept (see `create_network`), that runs without PyTorch being imported.

        Args:
            model: a folder or a Hub id; None for the checkpoint that comes with the package.
            detector: "auto", "yunet", "hog" or "none" (see `create_detector`).
            device: where the model runs; "auto" for an accelerator that PyTorch finds, else the CPU.
            batch_size: faces per forward pass.
            revision: branch, tag or commit on the Hub.
            runtime: "torch", "compile", "onnx", an ONNX file, or "auto", the fastest (see `create_network`).
            min_score, min_face: least score and size of a face (see `create_detector`).
            dtype: of the weights; "auto" for that of the checkpoint.
            subfolder: where in the repository or folder the checkpoint lies.
            token, cache_dir, local_files_only: as `from_pretrained` of transformers takes them.
            answer_all, answer_only: see the class.

        Raises:
            OSError: the folder or repository does not exist or cannot be read.
            ValueError: the model is not a GReFEL model, its reliability.json or explanation.json is none, the detector,
                the runtime or the device is unknown, or `answer_only` cannot be done.
            DetectorUnavailableError: the detector that was asked for cannot be had.
            OnnxUnavailableError: ONNX Runtime was asked for and is not installed.
        """
        place = {"revision": revision, "subfolder": subfolder, "token": token, "cache_dir": cache_dir}
        place["local_files_only"] = local_files_only
        opened = open_checkpoint(model, runtime=runtime, device=device, dtype=dtype, **place)
        limits = {"min_score": min_score, "min_face": min_face}
        faces = create_detector(detector, **limits)
        folder = checkpoint_folder(checked_name(model), **place | {"local_files_only": True})  # as it is there now
        answering = {"answer_all": answer_all, "answer_only": answer_only}
        answering["reliability"] = load_reliability(folder, opened.labels)
        answering["explanation"] = load_explanation(folder, opened.labels)
        predictor = cls(opened.model, opened.processor, faces, batch_size, opened.network, opened.labels, **answering)
        predictor._opening = {"name": model, "runtime": runtime, **place}
        predictor._made_of = {"detector": {"name": faces.name, **limits}, "network": runtime}
        return predictor

    @property
    def model(self) -> "GReFELForImageClassification":
        """The model itself, which is loaded when it is asked for where a graph runs in its place."""
        if self._model is None:
            self._model = open_checkpoint(**(self._opening | {"runtime": "torch"})).model
        return self._model

    def __getstate__(self) -> dict:
        """Detectors and sessions of ONNX Runtime cannot be pickled: they are made again."""
        return {name: value for name, value in self.__dict__.items() if name not in self._made_of}

    def __setstate__(self, state: dict):
        self.__dict__.update(state)
        if self._made_of:
            self.detector = create_detector(**self._made_of["detector"])
            if self._model is None:
                self.network = open_checkpoint(**self._opening).network
            else:
                self.network = create_network(self._model, self._made_of["network"])

    def __call__(
        self, photos: PhotoSource | Iterable[PhotoSource], *, channel_order: str | None = None
    ) -> PhotoPrediction | list[PhotoPrediction]:
        """
        Args:
            photos: a path, link, PIL image, array, ... (see `read_photo`); a list of them, a column of `datasets` or
                pandas, or a batch (B, H, W, C) or (B, C, H, W).
            channel_order: of arrays: "rgb", also if None, or "bgr" as OpenCV's `imread` gives.

        Returns:
            One result, or a list of them in the same order. A photo without a face gives an empty list of faces.

        Raises:
            PhotoError: a photo cannot be read; its message names it.
        """
        if not _are_several(photos):
            return self([photos], channel_order=channel_order)[0]
        results = []
        most = len(photos) if isinstance(photos, Sequence) else PHOTOS_IN_FLIGHT
        for result in self.stream(photos, in_flight=min(most, PHOTOS_IN_FLIGHT), channel_order=channel_order):
            if isinstance(result, PhotoFailure):
                raise result.error
            results.append(result)
        return results

    def stream(
        self,
        photos: Iterable[PhotoSource],
        *,
        keep_crops: bool = True,
        in_flight: int = PHOTOS_IN_FLIGHT,
        channel_order: str | None = None,
        max_pixels: int = MAX_PIXELS,
        detector: FaceDetector | None = None,
    ) -> Iterator[PhotoPrediction | PhotoFailure]:
        """
        Results one by one, in order, in constant memory; a photo that cannot be read gives a `PhotoFailure`.

        Photos are read and searched in threads while the model works. Faces are batched across photos.

        Args:
            photos: read as they are needed, in this thread.
            keep_crops: with False the faces have no `crop`: for results that are kept by the thousand.
            in_flight: photos at most that are taken from `photos` and whose results are not out yet.
            channel_order, max_pixels: see `read_photo`.
            detector: another than the predictor's, which is given one photo after the other.
        """
        detect = (detector or self.detector).detect
        find = partial(self._find, detect=detect, channel_order=channel_order, max_pixels=max_pixels)
        found = overlapped(find, photos, ahead=in_flight - in_flight // 2, workers=1 if detector else None)
        with contextlib.closing(found):
            for chunk in self._chunks_of_faces(found, max(1, in_flight // 2)):
                outputs = iter(self._run([crop for item in chunk for crop in _crops(item)]))
                for item in chunk:
                    yield item if isinstance(item, PhotoFailure) else self._result(item, outputs, keep_crops)

    def occlusions(self, crop: Image.Image, landmarks: np.ndarray | None = None) -> list[Occlusion]:
        """
        What becomes of the answer when brows, eyes, nose or mouth are covered, all of them in one batch:

            for occlusion in predictor.occlusions(face.crop, face.landmarks):
                print(occlusion.region, occlusion.label, occlusion.scores, occlusion.label_after)

        It is coarse: the network looks at more than one part at a time, and was made for faces, not for patches.

        Args:
            crop: of a face, RGB, as `FacePrediction.crop`.
            landmarks: (68, 2), as `FacePrediction.landmarks`; None to cover thirds of the crop.

        Returns:
            One `Occlusion` per part, that which takes most from the answer first.
        """
        return occlusions(
            lambda crops: [values["corrected"] for values in self._run(crops)], crop, landmarks, self.labels
        )

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

    def _find(
        self,
        source: PhotoSource,
        detect: Callable[[Image.Image], list[Face]],
        channel_order: str | None,
        max_pixels: int,
    ) -> "Found":
        name = source_name(source)
        try:
            photo = read_photo(source, channel_order=channel_order, max_pixels=max_pixels)
        except PhotoError as error:
            return PhotoFailure(name or type(source).__name__, error)
        faces = detect(photo.image)
        crops = [crop_face(photo.image, face) for face in faces]
        notes = photo.notes
        if is_array(source) and channel_order is None and looks_blue(crops):
            notes = (*notes, BLUE_FACES)
            logger.warning(BLUE_FACES)
        for turn, words in TURN_WORDS.items():
            if turned := sum(face.turn == turn for face in faces):
                notes = (*notes, f"{counted(turned, 'face')} found {words} and turned upright")
        return _FoundFaces(name, photo.image.size, faces, crops, notes)

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
        return PhotoPrediction(found.source, width, height, self.detector.name, faces, self.labels, found.notes)

    def _face(self, face: Face, crop: Image.Image | None, values: dict) -> FacePrediction:
        confidences = {name: float(values[f"{name}_confidence"]) for name in PARTS if f"{name}_confidence" in values}
        attention_map = values.get("attention_map")  # (levels, S, S)
        found = FacePrediction(
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
            turn=face.turn,
            reliability=self.reliability,
            answerability=self.reliability and self.reliability.answerability_of(values),
            explanation=self.explanation,
        )
        return found if self._is_answered(found) else replace(found, is_answered=False)

    def _is_answered(self, face: FacePrediction) -> bool:
        if self.answer_only is not None:
            return face.expected_accuracy is not None and face.expected_accuracy >= self.answer_only
        return self.answer_all or face.is_answerable is not False


def _check_answer_only(answer_only: float, answer_all: bool, reliability: Reliability | None):
    if answer_all:
        raise ValueError("answer_all and answer_only ask for opposite things: choose one.")
    if not 0 < answer_only <= 1:
        raise ValueError(f"answer_only is a share above 0 and at most 1, not {answer_only:g}.")
    if reliability is None:
        raise ValueError(
            f"answer_only needs the model's {RELIABILITY_FILE}, which says how many answers were right: "
            "train/fit_reliability.py makes one."
        )


def looks_blue(crops: list[Image.Image]) -> bool:
    """Whether faces have more blue than red, which skin of any colour has not: red and blue are swapped."""
    means = [np.asarray(crop.resize((16, 16)), np.float64)[4:12, 4:12].mean((0, 1)) for crop in crops]
    return bool(means) and float(np.median([mean[2] - mean[0] for mean in means])) > BLUE_EXCESS


def _are_several(photos: PhotoSource | Iterable[PhotoSource]) -> bool:
    if is_array(photos):
        return len(getattr(photos, "shape", ())) in (1, 4)  # a column of a table, a batch
    one = str | bytes | bytearray | memoryview | dict | Image.Image
    return isinstance(photos, Iterable) and not (isinstance(photos, one) or hasattr(photos, "read"))


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
    """A photo after detection: its size (width, height), faces, their crops, and notes on how it was read."""

    source: str | None
    size: tuple[int, int]
    faces: list[Face]
    crops: list[Image.Image]
    notes: tuple[str, ...]


Found = _FoundFaces | PhotoFailure


def _crops(found: Found) -> list[Image.Image]:
    return [] if isinstance(found, PhotoFailure) else found.crops
