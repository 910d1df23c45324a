"""
Does the data pipeline keep up with the model? Images a second of loading, of loading with augmentation, and of
training steps with the recipe of grefel-small, measured in turn so that whatever else the machine does slows all three.

    export PYTHONPATH=train
    python -m tests.benchmarks.benchmark_data_pipeline                       # made-up faces
    python -m tests.benchmarks.benchmark_data_pipeline --dataset_dir FERPLUS --compile

All flags of train/train.py go, too. The project wants loading with augmentation to be at least 3 times as fast as
training, on two cores.
"""

import argparse
import io
import itertools
import tempfile
import time
from collections.abc import Callable

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import TorchDynamoPlugin
from PIL import Image, ImageDraw

from grefel_train.data.augmentation import FaceAugmentation
from grefel_train.data.dataset import normalize, to_unit_range
from grefel_train.data.loaders import train_loader
from grefel_train.data.loading import load_face_data
from grefel_train.run import arguments
from grefel_train.run.build import build_config, build_model, build_optimizer, build_processor, train_mode
from tests.benchmarks.measuring import positive
from tests.helpers import REPOSITORY

RECIPE = REPOSITORY / "train" / "configs" / "grefel-small-mobilenet-v1.yaml"
CLASSES = [f"class {index}" for index in range(8)]
WARM_UP = 3  # batches: the worker has two in store, and the first training step compiles


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    """The benchmark's own flags, and those of training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--compile", action="store_true", help="Train with torch.compile, as the recipe does.")
    add("--rounds", type=positive, default=2, help="How often the three are measured in turn.")
    add("--batches", type=positive, default=10, help="Batches of each in a round.")
    add("--threads", type=positive, default=2, help="Threads of the main process; the loader has one worker.")
    return parser.parse_known_args()


def write_made_up_faces(folder: str, count: int = 4096):
    """Grey 48-pixel PNG files, about as large as those of FER+, with random labels."""
    generator = np.random.default_rng(0)
    images = []
    for _ in range(count):
        face = Image.new("L", (48, 48), 110)
        draw = ImageDraw.Draw(face)
        x, y = generator.integers(-3, 4, 2)
        draw.ellipse((6 + x, 2 + y, 42 + x, 47 + y), fill=int(generator.integers(140, 220)))
        for left in (14, 28):
            draw.ellipse((left + x, 16 + y, left + 6 + x, 20 + y), fill=30)
        draw.arc((15 + x, 28 + y, 33 + x, 40 + y), 0, 180, fill=60, width=2)
        noisy = np.asarray(face) + generator.integers(-6, 7, (48, 48))  # photos are not smooth, and PNG knows it
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, format="PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    columns = {"image": images, "label": generator.integers(0, len(CLASSES), count)}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)})
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(folder)


def seconds(action: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        action()
    return time.perf_counter() - start


def measure(own: argparse.Namespace, args: argparse.Namespace) -> dict[str, float]:
    """Images a second by what is done with them."""
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        dynamo_plugin=TorchDynamoPlugin(backend="inductor") if args.torch_compile else None,
    )
    torch.set_num_threads(own.threads)
    torch.manual_seed(args.seed)
    data = load_face_data(args, splits=("train",))
    config = build_config(args, data.label_names, None)
    processor = build_processor(args, config)
    model = build_model(args, config).to(memory_format=torch.channels_last)
    model, optimizer = accelerator.prepare(model, build_optimizer(model, args))
    train_mode(model)
    augment = FaceAugmentation(config.image_size, args.augmentation_strength)
    loader = train_loader(args, data.train, processor, config.image_size, accelerator)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def augmented_batch() -> tuple[torch.Tensor, torch.Tensor]:
        batch = next(batches)
        return normalize(augment(to_unit_range(batch["pixels"])), processor), batch["labels"]

    images, labels = augmented_batch()

    def training_step():
        accelerator.backward(model(pixel_values=images, labels=labels).loss)
        accelerator.clip_grad_norm_(model.parameters(), args.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    actions = {
        "loading": lambda: next(batches),
        "loading and augmentation": augmented_batch,
        "training steps": training_step,
    }
    spent = dict.fromkeys(actions, 0.0)
    for _ in range(own.rounds):
        for name, action in actions.items():
            seconds(action, WARM_UP)
            spent[name] += seconds(action, own.batches)
    return {name: own.rounds * own.batches * len(images) / time for name, time in spent.items()}


def main(own: argparse.Namespace, training_flags: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        flags = [
            "--config",
            str(RECIPE),
            "--output_dir",
            folder,
            "--torch_compile" if own.compile else "--no-torch_compile",
        ]
        args = arguments.parse_args(__doc__, flags + training_flags)
        # Speed does not depend on the weights, which a fresh clone does not have.
        args.model_name_or_path = args.image_backbone = args.landmark_backbone = None
        if not (args.dataset_dir or args.dataset_name or args.train_dir):
            write_made_up_faces(folder)
            args.dataset_name = folder
        speeds = measure(own, args)
    print(f"{own.threads} threads, batches of {args.per_device_train_batch_size}, compiled: {args.torch_compile}")
    for name, speed in speeds.items():
        print(f"{name:25} {speed:8.1f} images/s")
    print(f"ratio of the last two     {speeds['loading and augmentation'] / speeds['training steps']:8.1f}")


if __name__ == "__main__":
    main(*parse_args())
