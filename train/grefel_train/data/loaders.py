"""Data loaders of a run: which images an epoch shows, in which order and size."""

import argparse
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from datasets import Dataset, IterableDataset
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import DataLoader

from grefel_hf import GReFELImageProcessor
from grefel_train.data.dataset import FaceDataset, FaceStream
from grefel_train.data.samplers import (
    BalancedSampler,
    DataRefinementSampler,
    EpochShuffleSampler,
)
from grefel_train.data.splits import class_ids, group_ids, training_target_column
from grefel_train.run.interruption import outlive_signals


def class_counts(split: Dataset, label_names: tuple[str, ...]) -> dict[str, int]:
    """Images of each class, by its name; an image with votes counts for the class on top."""
    return dict(zip(label_names, np.bincount(class_ids(split), minlength=len(label_names)).tolist()))


def class_weights(args: argparse.Namespace, split: Dataset, label_names: tuple[str, ...]) -> list[float] | None:
    """The weights that --class_weighting asks for, with a mean of 1. Raises ValueError for a class without images."""
    if args.class_weighting == "none":
        return None
    empty = [name for name, count in class_counts(split, label_names).items() if not count]
    if empty:
        raise ValueError(
            f"--class_weighting {args.class_weighting}: no training image shows {', '.join(empty)}, whose weight would "
            "be infinite. Train without class weights, or without the class."
        )
    balanced = compute_class_weight("balanced", classes=np.arange(len(label_names)), y=class_ids(split))
    weights = balanced**args.class_weight_power
    return (weights / weights.mean()).tolist()


def train_loader(
    args: argparse.Namespace,
    split: Dataset | IterableDataset,
    processor: GReFELImageProcessor,
    image_size: int,
    accelerator: Accelerator,
) -> DataLoader:
    """
    Batches at --resize_size (for the random crop of the augmentation), in an order that depends on seed and epoch
    alone, prepared for the accelerator. What does not fill a batch is left out, as batch norm wants whole ones.

    Raises:
        ValueError: there are fewer images than one batch of all processes has, or flags do not fit.
    """
    size = args.resize_size or image_size
    if size < image_size:
        raise ValueError(f"--resize_size {size} is below the model's image size of {image_size}.")
    options = {"size": size, "on_bad_image": args.on_bad_image}
    column = training_target_column(split)
    if isinstance(split, IterableDataset):
        return stream_loader(args, split, processor, column, options, accelerator)
    if args.refinement:
        sampler = DataRefinementSampler(
            class_ids(split), group_ids(split), args.pool_per_group, args.samples_per_class, args.seed
        )
    elif args.balance_power:
        sampler = BalancedSampler(class_ids(split), args.balance_power, args.seed)
    else:
        sampler = EpochShuffleSampler(len(split), args.seed)
    batch = args.per_device_train_batch_size * accelerator.num_processes
    if len(sampler) < batch:
        raise ValueError(
            f"An epoch has {len(sampler)} training images and no whole batch of {batch}: lower "
            "--per_device_train_batch_size."
        )
    dataset = FaceDataset(split, processor, column, **options)
    return accelerator.prepare(make_loader(dataset, args, train=True, sampler=sampler))


def stream_loader(
    args: argparse.Namespace,
    split: IterableDataset,
    processor: GReFELImageProcessor,
    column: str,
    options: dict[str, Any],
    accelerator: Accelerator,
) -> DataLoader:
    """Each process reads the stream and keeps its share; accelerate only moves the batches."""
    if args.on_bad_image == "skip" and accelerator.num_processes > 1:
        raise ValueError(
            "--streaming on several processes cannot skip bad images, as the processes would lose step: leave out "
            "--on_bad_image skip."
        )
    shares = {"process_index": accelerator.process_index, "num_processes": accelerator.num_processes}
    dataset = FaceStream(split, processor, column, seed=args.seed, **options, **shares)
    return prepare_data_loader(
        make_loader(dataset, args, train=True),
        accelerator.device,
        num_processes=1,
        process_index=0,
        put_on_device=True,
        dispatch_batches=False,
    )


def eval_loader(args: argparse.Namespace, split: Dataset, processor: GReFELImageProcessor) -> DataLoader:
    """
    All images once, in their order, as inference sees them, those that cannot be read marked so. Labels are class ids
    where they are known.
    """
    column = "label" if "label" in split.column_names else "distribution"
    dataset = FaceDataset(split, processor, column, on_bad_image=args.on_bad_image, mark_bad=True)
    return make_loader(dataset, args, train=False)


def make_loader(
    dataset: torch.utils.data.Dataset,
    args: argparse.Namespace,
    train: bool,
    sampler: torch.utils.data.Sampler | None = None,
) -> DataLoader:
    return DataLoader(
        dataset,
        batch_size=args.per_device_train_batch_size if train else args.per_device_eval_batch_size,
        sampler=sampler,
        drop_last=train,
        num_workers=args.dataloader_num_workers,
        persistent_workers=args.dataloader_num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=outlive_signals,
    )
