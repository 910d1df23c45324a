"""What a run measures after an epoch, and on which images."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage

from grefel_hf import GReFELImageProcessor
from grefel_hf.model.modeling_grefel import GReFELImageClassifierOutput
from grefel_train.data.dataset import BadImageError
from grefel_train.data.loaders import eval_loader
from grefel_train.evaluation.validation import balancing_metrics, predict

LABELS = [0, 1, 1, 0]


def first_class(pixel_values: torch.Tensor) -> GReFELImageClassifierOutput:
    """A model that answers class 0 for every image."""
    logits = torch.tensor([[1.0, 0.0]]).expand(len(pixel_values), -1)
    return GReFELImageClassifierOutput(logits=logits, primary_logits=logits)


def predictions(broken: set[int], tmp_path) -> dict[str, torch.Tensor]:
    """Of four images, some of them no images."""
    for row in range(len(LABELS)):
        file = tmp_path / f"{row}.png"
        file.write_bytes(b"no image") if row in broken else PILImage.new("L", (16, 16)).save(file)
    features = Features({"image": Image(), "label": Value("int64")})
    files = [str(tmp_path / f"{row}.png") for row in range(len(LABELS))]
    data = Dataset.from_dict({"image": files, "label": LABELS}, features=features)
    args = SimpleNamespace(on_bad_image="skip", per_device_eval_batch_size=2, dataloader_num_workers=0)
    processor, accelerator = GReFELImageProcessor(size={"height": 8, "width": 8}), Accelerator(cpu=True)
    loader = accelerator.prepare(eval_loader(args, data, processor))
    for _ in range(2):  # an epoch that knows which are bad says the same
        found = predict(first_class, loader, processor, accelerator)
    assert loader.dataset.num_bad_images == len(broken)
    return found


def test_a_skipped_image_does_not_count_its_neighbour_twice(tmp_path):
    found = predictions({0}, tmp_path)
    assert found["labels"].tolist() == [1, 1, 0] and set(found) == {"primary", "corrected", "labels"}
    assert balancing_metrics(found)["corrected"]["samples"] == 3
    assert balancing_metrics(found)["corrected"]["accuracy"] == pytest.approx(1 / 3)


def test_without_a_readable_image_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(BadImageError, match="None of the 4 validation images"):
        predictions({0, 1, 2, 3}, tmp_path)
