"""Images of a Hugging Face dataset as face tensors, resized by the same image processor that inference uses."""

import torch
from datasets import Dataset

from grefel_hf import GReFELImageProcessor


class FaceDataset(torch.utils.data.Dataset):
    """
    Items are dicts of `pixels` (uint8, (3, S, S)) and `labels` (a class id, or a float32 distribution (N,)).

    Pixels are not rescaled or normalised yet, so that augmentation can run on plain images in batches on the training
    device; `normalize` does the rest.
    """

    def __init__(self, data: Dataset, processor: GReFELImageProcessor, label_column: str, image_column: str = "image"):
        self.data = data.select_columns([image_column, label_column])
        self.processor = processor
        self.label_column = label_column
        self.image_column = image_column

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = self.data[index]
        pixels = self.processor(row[self.image_column], do_rescale=False, do_normalize=False, return_tensors="pt")
        return {"pixels": pixels["pixel_values"][0], "labels": torch.tensor(row[self.label_column])}


def normalize(images: torch.Tensor, processor: GReFELImageProcessor) -> torch.Tensor:
    """Images (B, 3, S, S) in [0, 1] to the model's pixel values, by the processor's mean and deviation."""
    mean = images.new_tensor(processor.image_mean).view(-1, 1, 1)
    std = images.new_tensor(processor.image_std).view(-1, 1, 1)
    return (images - mean) / std


def to_unit_range(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 3, S, S) to float32 in [0, 1]."""
    return pixels.float() / 255.0
