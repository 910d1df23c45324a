"""What an epoch shows, and how classes weigh."""

import numpy as np
import pytest
from accelerate import Accelerator
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as PILImage

from grefel_hf import GReFELImageProcessor
from grefel_train.data.loaders import class_counts, class_weights, train_loader
from train import parse_args

NAMES = ("anger", "fear")


def split_of(*labels: int) -> Dataset:
    features = Features({"image": Image(), "label": ClassLabel(names=list(NAMES)), "group": Value("string")})
    images = [PILImage.new("L", (8, 8), 100 * label) for label in labels]
    groups = [f"video {index % 2}" for index in range(len(labels))]
    return Dataset.from_dict({"image": images, "label": labels, "group": groups}, features=features)


def loader(split: Dataset, *flags: str):
    args = parse_args(["--output_dir", "out", "--dataloader_num_workers", "0", *flags])
    return train_loader(args, split, GReFELImageProcessor(), 64, Accelerator(cpu=True))


def shown(epoch_loader, epoch: int) -> list[int]:
    epoch_loader.set_epoch(epoch)
    return [label for batch in epoch_loader for label in batch["labels"].tolist()]


def test_classes_are_counted_by_name():
    assert class_counts(split_of(0, 1, 1), NAMES) == {"anger": 1, "fear": 2}


def test_class_weights_by_hand():
    def weights(split, *flags):
        args = parse_args(["--output_dir", "out", *flags])
        return class_weights(args, split, NAMES)

    split = split_of(0, 1, 1, 1, 1)
    assert weights(split) is None
    assert weights(split, "--class_weighting", "inverse_frequency") == pytest.approx([1.6, 0.4])
    roots = weights(split, "--class_weighting", "inverse_frequency", "--class_weight_power", "0.5")
    assert roots == pytest.approx([4 / 3, 2 / 3])
    with pytest.raises(ValueError, match="no training image shows fear"):
        weights(split_of(0, 0), "--class_weighting", "inverse_frequency")


def test_epochs_by_flag():
    split = split_of(*[0] * 6, *[1] * 30)
    size = ["--per_device_train_batch_size", "4"]
    plain = loader(split, *size)
    assert sorted(shown(plain, 0)) == [0] * 6 + [1] * 30
    assert shown(plain, 0) == shown(plain, 0) != shown(plain, 1)
    refined = shown(loader(split, *size, "--refinement", "--samples_per_class", "6"), 0)
    assert np.bincount(refined).tolist() == [6, 6]
    # Of the 3 and 15 images in each group the pool has all 4 at most: no more than 8 different ones.
    small_pool = loader(split, *size, "--refinement", "--samples_per_class", "20", "--pool_per_group", "4")
    assert len(shown(small_pool, 0)) == 40
    balanced = np.concatenate([shown(loader(split, *size, "--balance_power", "1"), epoch) for epoch in range(10)])
    assert 0.4 < balanced.mean() < 0.6


def test_images_come_at_the_size_of_the_crop():
    batch = next(iter(loader(split_of(0, 1), "--per_device_train_batch_size", "2", "--resize_size", "72")))
    assert batch["pixels"].shape == (2, 3, 72, 72)


def test_an_epoch_without_a_whole_batch_is_an_error():
    with pytest.raises(ValueError, match="2 training images and no whole batch of 64"):
        loader(split_of(0, 1))
