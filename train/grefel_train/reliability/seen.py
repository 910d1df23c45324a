"""What a network said about crops, in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image
from tqdm.auto import tqdm

from grefel_hf import GReFELImageProcessor
from grefel_hf.runtime.networks import Network
from grefel_train.data.dataset import normalize, pixels_of, read_image, to_unit_range

BATCH = 32
MOST_PIXELS = 224  # a side


@dataclass(frozen=True)
class Seen:
    """
    Of M crops the model's outputs (M, ...) by field.
    """

    outputs: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.outputs["logits"])

    @property
    def distributions(self) -> np.ndarray:
        """Corrected ones (M, N)."""
        return np.exp(self.outputs["logits"])

    @property
    def confidence(self) -> np.ndarray:
        """Of the corrected distributions (M,)."""
        return self.outputs["corrected_confidence"]

    @property
    def answers(self) -> np.ndarray:
        """(M,) class ids."""
        return self.outputs["logits"].argmax(-1)

    def select(self, rows: np.ndarray) -> "Seen":
        """Rows by number, or those of a mask."""
        return Seen({name: values[rows] for name, values in self.outputs.items()})


def joined(several: Sequence[Seen]) -> Seen:
    """One after the other."""
    return Seen({name: np.concatenate([seen.outputs[name] for seen in several]) for name in several[0].outputs})


def crops_of(data: Dataset) -> Iterator[Image.Image]:
    """The images of a dataset as square RGB images of at most `MOST_PIXELS` a side."""
    for row in data.select_columns("image").cast_column("image", ImageFeature(decode=False)):
        image = read_image(row["image"])
        side = min(*image.size, MOST_PIXELS)
        yield image if image.size == (side, side) else image.resize((side, side))


def look(network: Network, processor: GReFELImageProcessor, crops: Iterable[Image.Image], title: str) -> Seen:
    """The network over RGB crops, which need not be in memory at once."""
    found: list[Seen] = []
    batch: list[torch.Tensor] = []

    def flush():
        found.append(Seen(network(normalize(to_unit_range(torch.stack(batch)), processor).contiguous().numpy())))
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
