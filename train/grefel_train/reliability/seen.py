"""What a network said about crops, in memory: distributions, confidences, embeddings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image
from tqdm.auto import tqdm

from grefel_hf import GReFELImageProcessor
from grefel_hf.results import PARTS
from grefel_hf.runtime.networks import Network
from grefel_train.data.dataset import normalize, pixels_of, read_image, to_unit_range

BATCH = 32
MOST_PIXELS = 224  # a side


@dataclass(frozen=True)
class Seen:
    """
    Of M crops: corrected distributions (M, N), confidences (M,) by part, embeddings (M, D).
    """

    distributions: np.ndarray
    confidences: dict[str, np.ndarray]
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.distributions)

    @property
    def answers(self) -> np.ndarray:
        """(M,) class ids."""
        return self.distributions.argmax(-1)

    def select(self, rows: np.ndarray) -> "Seen":
        """Rows by number, or those of a mask."""
        confidences = {part: values[rows] for part, values in self.confidences.items()}
        return Seen(self.distributions[rows], confidences, self.embeddings[rows])


def joined(several: Sequence[Seen]) -> Seen:
    """One after the other."""
    return Seen(
        np.concatenate([seen.distributions for seen in several]),
        {part: np.concatenate([seen.confidences[part] for seen in several]) for part in several[0].confidences},
        np.concatenate([seen.embeddings for seen in several]),
    )


def crops_of(data: Dataset) -> Iterator[Image.Image]:
    """The images of a dataset as square RGB images of at most `MOST_PIXELS` a side."""
    for row in data.select_columns("image").cast_column("image", ImageFeature(decode=False)):
        image = read_image(row["image"]).convert("RGB")
        side = min(*image.size, MOST_PIXELS)
        yield image if image.size == (side, side) else image.resize((side, side))


def look(network: Network, processor: GReFELImageProcessor, crops: Iterable[Image.Image], title: str) -> Seen:
    """The network over RGB crops, which need not be in memory at once."""
    found: list[Seen] = []
    batch: list[torch.Tensor] = []

    def flush():
        values = network(normalize(to_unit_range(torch.stack(batch)), processor).contiguous().numpy())
        confidences = {part: values[name] for part in PARTS if (name := f"{part}_confidence") in values}
        found.append(Seen(np.exp(values["logits"]), confidences, values["embedding"]))
        batch.clear()

    for crop in tqdm(crops, desc=title, leave=False, disable=None):
        batch.append(pixels_of(crop, processor, processor.size["height"]))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    if not found:
        raise ValueError(f"there are no {title}.")
    return joined(found)
