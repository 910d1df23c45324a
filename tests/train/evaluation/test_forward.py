"""A model over a dataset."""

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from grefel_hf import GReFELImageProcessor
from grefel_train.evaluation.forward import concatenated, forward_batches


def test_answers_and_columns_of_all_images_in_order():
    rows = [{"pixels": torch.full((3, 4, 4), 51 * i, dtype=torch.uint8), "row": i} for i in range(5)]
    processor = GReFELImageProcessor(size={"height": 4, "width": 4}, image_mean=[0.2] * 3, image_std=[0.1] * 3)
    shapes = []

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        shapes.append(tuple(pixel_values.shape))
        assert not torch.is_grad_enabled()
        return {"mean": pixel_values.mean((1, 2, 3))}

    accelerator = Accelerator(cpu=True)
    plain = concatenated(forward_batches(answers, DataLoader(rows, 2), processor))
    prepared = accelerator.prepare(DataLoader(rows, 2))
    gathered = concatenated(forward_batches(answers, prepared, processor, accelerator))
    for found in (plain, gathered):
        assert set(found) == {"mean", "row"} and found["row"].tolist() == list(range(5))
        assert torch.allclose(found["mean"], (torch.arange(5) / 5 - 0.2) / 0.1, atol=1e-5)
    assert shapes == 2 * [(2, 3, 4, 4), (2, 3, 4, 4), (1, 3, 4, 4)]
