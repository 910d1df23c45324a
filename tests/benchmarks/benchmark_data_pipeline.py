"""
Does the data pipeline keep up with the model? Images a second of loading, of loading with augmentation, and of
training steps of grefel-small, measured in turn so that whatever else the machine does slows all three.

    python tests/benchmarks/benchmark_data_pipeline.py                       # made-up faces
    python tests/benchmarks/benchmark_data_pipeline.py --dataset_dir FERPLUS --compile

The project wants loading with augmentation at 3 times the speed of training or more, on two cores.
"""

import argparse
import io
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import torch
import yaml
from PIL import Image, ImageDraw

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "train")]

from augmentation import FaceAugmentation  # noqa: E402
from face_data import add_data_arguments, load_face_data, training_target_column  # noqa: E402
from face_dataset import FaceDataset, normalize, to_unit_range  # noqa: E402
from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor  # noqa: E402
from sampling import EpochShuffleSampler  # noqa: E402

RECIPE = REPOSITORY / "train" / "configs" / "grefel-small.yaml"
NUM_MADE_UP_FACES = 4096
NUM_MADE_UP_CLASSES = 8


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_arguments(parser)
    add = parser.add_argument
    add("--compile", action="store_true", help="Train with torch.compile.")
    add("--rounds", type=int, default=3, help="How often the three are measured in turn.")
    add("--batches", type=int, default=8, help="Batches of each in a round.")
    add("--batch_size", type=int, default=64)
    add("--threads", type=int, default=2)
    add("--dataloader_num_workers", type=int, default=1)
    return parser.parse_args()


def made_up_faces() -> datasets.Dataset:
    """Grey 48-pixel PNG files, as large as those of FER+, with random labels."""
    generator = np.random.default_rng(0)
    images = []
    for _ in range(NUM_MADE_UP_FACES):
        face = Image.fromarray(generator.integers(90, 130, (48, 48), np.uint8))  # noise, as real files are not smooth
        draw = ImageDraw.Draw(face)
        x, y = generator.integers(-3, 4, 2)
        draw.ellipse((6 + x, 2 + y, 42 + x, 47 + y), fill=int(generator.integers(140, 220)))
        for left in (14, 28):
            draw.ellipse((left + x, 16 + y, left + 6 + x, 20 + y), fill=30)
        draw.arc((15 + x, 28 + y, 33 + x, 40 + y), 0, 180, fill=60, width=2)
        noisy = np.asarray(face) + generator.integers(-6, 7, (48, 48))
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, format="PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    columns = {"image": images, "label": generator.integers(0, NUM_MADE_UP_CLASSES, len(images)).tolist()}
    return datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())


def endless_batches(data, processor, column: str, args: argparse.Namespace):
    """Batches of one epoch after another, from a loader like that of training."""
    loader = torch.utils.data.DataLoader(
        FaceDataset(data, processor, column),
        batch_size=args.batch_size,
        sampler=EpochShuffleSampler(len(data), seed=0),
        drop_last=True,
        num_workers=args.dataloader_num_workers,
        persistent_workers=args.dataloader_num_workers > 0,
    )
    return itertools.chain.from_iterable(itertools.repeat(loader))


def training_step(model, images: torch.Tensor, labels: torch.Tensor, optimizer, max_grad_norm: float):
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(pixel_values=images, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()


def seconds(action: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        action()
    return time.perf_counter() - start


def main(args: argparse.Namespace):
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    recipe = yaml.safe_load(RECIPE.read_text())
    if args.dataset_dir or args.dataset_name or args.train_dir:
        face_data = load_face_data(args, splits=("train",))
        data, num_labels = face_data.train, len(face_data.label_names)
    else:
        data, num_labels = made_up_faces(), NUM_MADE_UP_CLASSES
    config = GReFELConfig.from_size(recipe["size"], num_labels=num_labels, **recipe["model"])
    size = config.image_size
    processor = GReFELImageProcessor(size={"height": size, "width": size}, do_grayscale=True)
    augment = FaceAugmentation(size, recipe["augmentation_strength"])
    model = GReFELForImageClassification(config).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    if args.compile:
        model = torch.compile(model)

    batches = endless_batches(data, processor, training_target_column(data), args)
    first = next(batches)
    images, labels = normalize(augment(to_unit_range(first["pixels"])), processor), first["labels"]
    actions = {
        "loading": lambda: next(batches),
        "loading and augmentation": lambda: normalize(augment(to_unit_range(next(batches)["pixels"])), processor),
        "training steps": lambda: training_step(model, images, labels, optimizer, recipe.get("max_grad_norm", 5.0)),
    }
    spent = dict.fromkeys(actions, 0.0)
    for _ in range(args.rounds):
        for name, action in actions.items():
            seconds(action, 3)  # the worker has batches in store, and the first step compiles
            spent[name] += seconds(action, args.batches)
    speeds = {name: args.rounds * args.batches * args.batch_size / time for name, time in spent.items()}
    print(f"{config.image_size} pixels, batches of {args.batch_size}, {args.threads} threads, compiled: {args.compile}")
    for name, speed in speeds.items():
        print(f"{name:25} {speed:8.1f} images/s")
    print(f"ratio of the last two     {speeds['loading and augmentation'] / speeds['training steps']:8.1f}")


if __name__ == "__main__":
    main(parse_args())
