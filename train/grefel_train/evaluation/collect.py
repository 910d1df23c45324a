"""One pass of a model over images: what it says about each, gathered over processes, in an order of their own."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset, Image
from torch.utils.data import DataLoader

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.reliability_balancing import PROBABILITY_EPSILON
from grefel_hf.reliability import Answerability
from grefel_train.data.dataset import BadImageError, read_pixels, report_bad_image
from grefel_train.evaluation.forward import concatenated, forward_batches

# From pixels (3, S, S) uint8 and a number that belongs to the image to other pixels.
Corruption = Callable[[torch.Tensor, int], torch.Tensor]


class EvaluationFaces(torch.utils.data.Dataset):
    """
    Items are dicts of `pixels` (uint8, (3, S, S)), `row` and `digest`, a number made from the undisturbed pixels.

    Args:
        rows: which images of `data`; default: all.
        corruption: what is done to the pixels.
        on_bad_image: "skip" gives an unreadable image the row -1.
    """

    def __init__(
        self,
        data: Dataset,
        processor: GReFELImageProcessor,
        rows: np.ndarray | None = None,
        corruption: Corruption | None = None,
        on_bad_image: str = "error",
    ):
        self.data = data.select_columns("image").cast_column("image", Image(decode=False))
        self.processor = processor
        self.rows = np.arange(len(data)) if rows is None else rows
        self.corruption = corruption
        self.on_bad_image = on_bad_image

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | int]:
        row, side = int(self.rows[index]), self.processor.size["height"]
        image = self.data[row]["image"]
        try:
            pixels = read_pixels(image, self.processor, side)
        except BadImageError as error:
            report_bad_image(f"row {row}", image, error, self.on_bad_image)
            return {"pixels": torch.zeros(3, side, side, dtype=torch.uint8), "row": -1, "digest": 0}
        digest = pixel_digest(pixels)
        if self.corruption is not None:
            pixels = self.corruption(pixels, digest)
        return {"pixels": pixels, "row": row, "digest": digest}


def pixel_digest(pixels: torch.Tensor) -> int:
    """A number below 2^63 that two images share if their pixels are the same (and else only by a rare chance)."""
    raw = hashlib.blake2b(pixels.numpy().tobytes(), digest_size=8).digest()
    return int.from_bytes(raw, "big") >> 1


@dataclass
class Collected:
    """
    What the model said about M images.

    Attributes:
        rows: (M,) their rows in the data.
        digests: (M,) see `pixel_digest`.
        distributions: (M, N) by part: primary and corrected, geometric, attentive and correction where the model has
            them, mirror_primary and mirror_corrected (averaged with the mirrored image) if asked for.
        nearest_anchor: (M,) index in N * K, or None without anchors.
        answerability: (M,) scores, or None where the model's reliability.json has none.
        embeddings: (E, D) of the images with the E smallest digests, a fair sample whatever the order.
        embedding_rows: (E,) their rows in the data.
    """

    rows: np.ndarray
    digests: np.ndarray
    distributions: dict[str, torch.Tensor]
    nearest_anchor: np.ndarray | None
    embeddings: np.ndarray | None = None
    embedding_rows: np.ndarray | None = None
    answerability: np.ndarray | None = None

    def select(self, positions: np.ndarray) -> "Collected":
        """The images at these positions; embeddings stay."""
        return Collected(
            self.rows[positions],
            self.digests[positions],
            {name: values[torch.from_numpy(positions)] for name, values in self.distributions.items()},
            None if self.nearest_anchor is None else self.nearest_anchor[positions],
            self.embeddings,
            self.embedding_rows,
            None if self.answerability is None else self.answerability[positions],
        )


class SmallestDigests:
    """The entries with the smallest digests of all that pass by, in memory for twice as many."""

    def __init__(self, limit: int):
        self.limit = limit
        self.parts: dict[str, np.ndarray] = {}

    def add(self, **arrays: np.ndarray):
        """Arrays with the same first axis, `digest` and `row` among them."""
        for name, values in arrays.items():
            self.parts[name] = np.concatenate([self.parts[name], values]) if name in self.parts else values
        if len(self.parts["digest"]) > 2 * self.limit:
            self._prune()

    def finish(self) -> dict[str, np.ndarray]:
        self._prune()
        return self.parts

    def _prune(self):
        _, first = np.unique(self.parts["row"], return_index=True)  # a row that two processes saw counts once
        order = first[np.argsort(self.parts["digest"][first], kind="stable")][: self.limit]
        self.parts = {name: values[order] for name, values in self.parts.items()}


def model_outputs(
    model: GReFELForImageClassification,
    images: torch.Tensor,
    mirror: bool = False,
    answerability: Answerability | None = None,
) -> dict[str, torch.Tensor]:
    """
    All distributions (B, N) by part, `embedding` (B, D), `nearest_anchor` (B,) and, where there is a head for it, the
    score of `answerability` (B,) of normalised images (B, 3, S, S).

    Args:
        mirror: add mirror_primary and mirror_corrected, averaged with those of the mirrored images.
    """
    output = model(pixel_values=images)
    found = {
        "primary": output.primary_logits.softmax(-1),
        "corrected": output.logits.softmax(-1),
        "geometric": output.geometric_correction,
        "attentive": output.attentive_correction,
        "correction": output.correction,
        "embedding": output.embedding,
    }
    if output.anchor_similarities is not None:
        found["nearest_anchor"] = output.anchor_similarities.flatten(1).argmax(-1)
    if answerability is not None:
        fields = [name for name in answerability.fields if output.get(name) is not None]
        scores = answerability({name: output[name].float().cpu().numpy() for name in fields})
        found["answerability"] = torch.from_numpy(scores).float().to(images.device)
    if mirror:
        mirrored = model(pixel_values=images.flip(-1))
        found["mirror_primary"] = (found["primary"] + mirrored.primary_logits.softmax(-1)) / 2
        found["mirror_corrected"] = (found["corrected"] + mirrored.logits.softmax(-1)) / 2
    return {name: values for name, values in found.items() if values is not None}


def collect(
    model: GReFELForImageClassification,
    faces: EvaluationFaces,
    accelerator: Accelerator,
    batch_size: int,
    num_workers: int = 1,
    mirror: bool = False,
    max_embeddings: int = 0,
    classes: np.ndarray | None = None,
    title: str = "images",
    answerability: Answerability | None = None,
) -> Collected:
    """
    The model over all images: in every process the whole result, sorted by row.

    Args:
        model: in eval mode, on the accelerator's device.
        max_embeddings: for how many images embeddings are kept; the images themselves never are.
        classes: ids of the classes among which the model may choose; default: all.
        answerability: see `model_outputs`.
    """
    loader = accelerator.prepare(DataLoader(faces, batch_size, num_workers=num_workers))
    sample = SmallestDigests(max_embeddings)

    def answers(images: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = model_outputs(model, images, mirror, answerability)
        if not max_embeddings:
            outputs.pop("embedding")
        return outputs

    def without_embeddings(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if max_embeddings:
            read = batch["row"] >= 0
            kept = {name: batch[name][read].numpy() for name in ("digest", "row")}
            sample.add(embedding=batch.pop("embedding")[read].float().numpy(), **kept)
        return batch

    batches = forward_batches(answers, loader, faces.processor, accelerator, title)
    values = concatenated(map(without_embeddings, batches))
    rows, digests = values.pop("row").numpy(), values.pop("digest").numpy()
    nearest, scores = values.pop("nearest_anchor", None), values.pop("answerability", None)
    distributions = {name: among(values, classes) for name, values in values.items()}
    collected = Collected(rows, digests, distributions, None if nearest is None else nearest.numpy())
    collected.answerability = None if scores is None else scores.numpy()
    if max_embeddings:
        kept = sample.finish()
        collected.embeddings, collected.embedding_rows = kept["embedding"], kept["row"]
    _, first = np.unique(rows, return_index=True)
    first = first[rows[first] >= 0]
    if not len(first):
        raise ValueError("no image could be read.")
    return collected.select(first)


def among(distributions: torch.Tensor, classes: np.ndarray | None) -> torch.Tensor:
    """Distributions (M, N) over some of the classes only, (M, len(classes)) float32."""
    distributions = distributions.float()
    if classes is None or len(classes) == distributions.shape[-1]:
        return distributions
    some = distributions[:, torch.from_numpy(classes)]
    return some / some.sum(-1, keepdim=True).clamp_min(PROBABILITY_EPSILON)


def canonical_order(digests: np.ndarray, facts: Sequence[Sequence]) -> np.ndarray:
    """
    Positions that sort M images by their pixels and what is known about them, whatever order they came in: resamples
    and sums then do not depend on it. Only images that are alike in everything may change places.

    Args:
        facts: each with M entries: labels, votes, groups.
    """
    keys = [
        hashlib.blake2b(repr((int(digest), *known)).encode(), digest_size=16).digest()
        for digest, *known in zip(digests, *map(plain, facts))
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__))


def plain(fact: Sequence) -> list:
    return fact.tolist() if isinstance(fact, np.ndarray) else list(fact)
