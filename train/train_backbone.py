"""
Teach an image backbone expressions, with one linear layer on it, before GReFEL is built around it.

    accelerate launch train/train_backbone.py --dataset_dir FERPLUS --calibration_fraction 0.05 \\
        --backbone train/weights/mobilenet-v1-vggface2.safetensors --output_dir OUT

The layer sees the means of the last two maps. All of the backbone learns, or all but --freeze_stages, at each of
--image_sizes for as many passes as --num_train_epochs says, on one cosine schedule. OUT/backbone.safetensors, the
averaged weights after the last pass, is for `train.py --image_backbone`; OUT/backbone.json has the validation metrics
of the classifier, which is thrown away. The same command goes on from the last whole pass if it was interrupted.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grefel_train.data.arguments import add_data_arguments
from grefel_train.flags import FlagParser


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--output_dir", required=True, type=Path)
    add("--backbone", required=True, help="Safetensors of MobileNet v1 (train/prepare_backbone.py).")
    add_data_arguments(parser)
    add("--image_sizes", type=int, nargs="+", default=[112, 160], help="Sides of the crops, one after the other.")
    add("--num_train_epochs", type=int, nargs="+", default=[18, 12], help="Passes at each of them.")
    add("--freeze_stages", type=int, choices=range(4), default=0, help="Leave stem and first stages as they are.")
    add("--per_device_train_batch_size", type=int, default=128)
    add("--learning_rate", type=float, default=8e-4, help="Peak rate of the classifier.")
    add("--backbone_learning_rate", type=float, default=4e-4)
    add("--weight_decay", type=float, default=0.05)
    add("--warmup_steps", type=int, default=200)
    add("--ema_decay", type=float, default=0.998)
    add("--balance_power", type=float, default=0.2)
    add("--augmentation_strength", type=float, default=1.0)
    add("--mixup_alpha", type=float, default=0.2)
    add("--cutmix_alpha", type=float, default=0.2)
    add("--mixing_chance", type=float, default=1.0, help="Of a batch to be mixed at all.")
    add("--mixed_precision", choices=("no", "bf16"), default="bf16")
    add(
        "--torch_compile",
        nargs="?",
        const="inductor",
        choices=("inductor", "eager"),
        help="Compile the network, which is a little faster; `inductor`, the default, needs a C++ compiler on a CPU.",
    )
    add("--evaluation_epochs", type=int, default=4, help="Measure after so many passes, and after the last.")
    add("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if len(args.image_sizes) != len(args.num_train_epochs):
        parser.error("--image_sizes and --num_train_epochs need as many numbers, one for each size.")
    if not 0 <= args.mixing_chance <= 1:
        parser.error(f"--mixing_chance {args.mixing_chance}: a chance is between 0 and 1.")
    if args.streaming:
        parser.error("--streaming: this script keeps all images in memory; leave it out.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from datasets import Dataset
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch._dynamo.exc import TorchDynamoException
from torch.utils.data import DataLoader, TensorDataset
from tqdm.auto import tqdm
from transformers import get_scheduler

from grefel_hf import GReFELImageProcessor
from grefel_hf.files import file_digest, whole_file, write_text
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1
from grefel_train.data.augmentation import FaceAugmentation, draw, mixed
from grefel_train.data.dataset import FaceDataset, normalize, to_unit_range
from grefel_train.data.fingerprint import data_fingerprint
from grefel_train.data.labels import target_distributions
from grefel_train.data.loading import load_face_data
from grefel_train.data.samplers import BalancedSampler
from grefel_train.data.splits import class_ids, training_target_column
from grefel_train.evaluation.metrics import classification_metrics
from grefel_train.run.averages import WeightAverage
from grefel_train.run.build import train_mode
from grefel_train.run.checkpoints import CheckpointError, as_json, checked_progress, checkpoints, write_checkpoint
from grefel_train.run.loop import seed_batch
from grefel_train.run.processes import keep_freed_memory, leave
from grefel_train.run.provenance import provenance

PLACES = ("dataset_dir", "output_dir", "backbone")  # of this machine: what lies there counts, by its digest


class ExpressionClassifier(nn.Module):
    """Pixels (B, 3, S, S) to logits (B, N): the backbone's last two maps, averaged and normalised, and one layer."""

    def __init__(self, num_labels: int):
        super().__init__()
        self.backbone = MobileNetV1()
        self.norms = nn.ModuleList([nn.LayerNorm(512), nn.LayerNorm(1024)])
        self.classifier = nn.Linear(512 + 1024, num_labels)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        _, middle, high = self.backbone(pixel_values)
        means = [norm(maps.float().mean((2, 3))) for norm, maps in zip(self.norms, (middle, high))]
        return self.classifier(torch.cat(means, -1))


def in_memory(split: Dataset, processor: GReFELImageProcessor, size: int, column: str) -> TensorDataset:
    """Grey pixels (M, 1, S, S) uint8 of a split with its labels: class ids (M,) or distributions (M, N)."""
    faces = FaceDataset(split, processor, column, size=size)
    pixels, labels = torch.empty(len(split), 1, size, size, dtype=torch.uint8), []
    for i in tqdm(range(len(split)), desc=f"faces at {size} pixels"):
        item = faces[i]
        pixels[i] = item["pixels"][:1]
        labels.append(item["labels"])
    return TensorDataset(pixels, torch.stack(labels))


def to_pixel_values(images: torch.Tensor, processor: GReFELImageProcessor) -> torch.Tensor:
    """Images (B, 1, S, S) in [0, 1] to the network's input (B, 3, S, S)."""
    return normalize(images, processor).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def measure(model, average: WeightAverage, faces: TensorDataset, processor, accelerator: Accelerator) -> dict:
    """Metrics of the averaged weights on `faces`, in every process alike."""
    model.eval()
    pixels, labels = faces.tensors
    with average.swapped_in():
        parts = (to_unit_range(part.to(accelerator.device)) for part in pixels.split(128))
        logits = [model.forward(to_pixel_values(part, processor)) for part in parts]  # `forward` is never compiled
    return classification_metrics(torch.cat(logits).float().softmax(-1).cpu(), labels)


def sizes_by_pass(args: argparse.Namespace) -> list[int]:
    return [size for size, passes in zip(args.image_sizes, args.num_train_epochs) for _ in range(passes)]


def batches(loader: DataLoader, args: argparse.Namespace, epoch: int, processor, size: int, accelerator) -> Iterator:
    """Augmented pixel values (B, 3, S, S) and target distributions (B, N) of one pass."""
    augment = FaceAugmentation(size, args.augmentation_strength)
    loader.set_epoch(epoch)
    for number, (pixels, labels) in enumerate(loader):
        seed_batch(args.seed, epoch, number, accelerator.process_index)
        targets = target_distributions(labels, labels.shape[-1], 0.0, 1.0)
        images = augment(to_unit_range(pixels))
        if draw(1, args.mixing_chance).item():
            images, targets = mixed(images, targets, args.mixup_alpha, args.cutmix_alpha)
        yield to_pixel_values(images, processor), targets


def train_pass(model, optimizer, schedule, average: WeightAverage, parts: Iterator, accelerator: Accelerator) -> float:
    """One pass over `batches`; the sum of the losses."""
    train_mode(model)
    total = 0.0
    for images, targets in parts:
        loss = nn.functional.cross_entropy(model(images).float(), targets)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.update()
        total += loss.item()
    return total


def main(args: argparse.Namespace):
    keep_freed_memory()
    accelerator = Accelerator(mixed_precision=args.mixed_precision)
    set_seed(args.seed)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    try:
        data = load_face_data(args)
        if data.validation is None:
            raise ValueError("there are no validation images to measure on.")
        if training_target_column(data.train) != "distribution":
            raise ValueError("the data has one class for each image, and this script teaches from votes.")
        model = ExpressionClassifier(len(data.label_names))
        model.backbone.load_state_dict(load_file(args.backbone))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        sys.exit(f"Cannot start training: {error}")
    if args.freeze_stages:
        for name in ("stem", "stage1", "stage2", "stage3")[: args.freeze_stages + 1]:
            getattr(model.backbone, name).requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model, args), weight_decay=args.weight_decay)
    model, optimizer = accelerator.prepare(model, optimizer)
    if args.torch_compile:
        model.compile(backend=args.torch_compile)
    steps = len(data.train) // (args.per_device_train_batch_size * accelerator.num_processes)
    sizes = sizes_by_pass(args)
    schedule = get_scheduler("cosine", optimizer, args.warmup_steps, steps * len(sizes))
    average = WeightAverage(model, args.ema_decay)
    accelerator.register_for_checkpointing(schedule, average)
    settings = settings_of(args) | {"data": data_fingerprint(data.train), "processes": accelerator.num_processes}
    settings["start"] = file_digest(args.backbone)
    progress = resumed(args.output_dir, settings, accelerator)

    processor = GReFELImageProcessor(do_grayscale=True)
    sampler = BalancedSampler(class_ids(data.train), args.balance_power, args.seed)
    loader = None
    for epoch in range(progress["step"], len(sizes)):
        started, size = time.monotonic(), sizes[epoch]
        if loader is None or size != sizes[epoch - 1]:
            faces = in_memory(data.train, processor, size, "distribution")
            loader = DataLoader(faces, args.per_device_train_batch_size, sampler=sampler, drop_last=True)
            loader = accelerator.prepare(loader)
            validation = in_memory(data.validation, processor, size, "label")
        parts = tqdm(
            batches(loader, args, epoch, processor, size, accelerator),
            desc=f"pass {epoch + 1}, {size} pixels",
            total=steps,
            mininterval=5,
            disable=not accelerator.is_main_process,
        )
        try:
            total = train_pass(model, optimizer, schedule, average, parts, accelerator)
        except TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            sys.exit(f"Cannot compile the network: {reason}. Leave --torch_compile out, or install a C++ compiler.")
        if not math.isfinite(total):
            sys.exit(f"The loss became {total} in pass {epoch + 1}: lower the rates and begin anew.")
        entry = {"epoch": epoch + 1, "size": size, "loss": round(total / steps, 4)}
        if (epoch + 1) % args.evaluation_epochs == 0 or epoch + 1 == len(sizes):
            entry |= measure(model, average, validation, processor, accelerator)
        entry["seconds"] = round(time.monotonic() - started)
        accelerator.print(entry)
        progress = {"step": epoch + 1, "log": [*progress["log"], entry], "commit": provenance()["commit"]}
        save(args.output_dir, progress, settings, accelerator)
    if accelerator.is_main_process:
        finish(args, accelerator.unwrap_model(model), average, progress)
    leave(accelerator)


def parameter_groups(model: ExpressionClassifier, args: argparse.Namespace) -> list[dict]:
    """Matrices decay, vectors do not; the backbone has a rate of its own, and what is frozen of it none."""
    head = [*model.norms.parameters(), *model.classifier.parameters()]
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    groups = []
    for parameters, rate in ((backbone, args.backbone_learning_rate), (head, args.learning_rate)):
        groups.append({"params": [p for p in parameters if p.ndim > 1], "lr": rate})
        groups.append({"params": [p for p in parameters if p.ndim < 2], "lr": rate, "weight_decay": 0.0})
    return groups


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What shapes the weights; a run goes on with the same settings only."""
    return as_json({name: value for name, value in vars(args).items() if name not in PLACES})


def resumed(output_dir: Path, settings: dict[str, Any], accelerator: Accelerator) -> dict[str, Any]:
    """Where the run stands (`step` counts passes), after its checkpoint, if there is one, has been loaded."""
    found = checkpoints(output_dir)
    if not found:
        return {"step": 0, "log": []}
    try:
        progress = checked_progress(found[-1], settings, prolonging=False)
    except CheckpointError as error:
        sys.exit(f"Cannot start training: {error} Give its settings, or another --output_dir to begin anew.")
    accelerator.load_state(str(found[-1]))
    return progress


def save(output_dir: Path, progress: dict[str, Any], settings: dict[str, Any], accelerator: Accelerator):
    try:
        write_checkpoint(output_dir, progress, settings, lambda to: accelerator.save_state(str(to)), 1, accelerator)
    except OSError as error:
        sys.exit(f"Training ended early: {error} The same command goes on from the last checkpoint.")


def finish(args: argparse.Namespace, model: ExpressionClassifier, average: WeightAverage, progress: dict[str, Any]):
    """Write the averaged weights of the backbone, and what was measured."""
    with average.swapped_in():
        weights = {name: weight.contiguous().clone() for name, weight in model.backbone.state_dict().items()}
    with whole_file(args.output_dir / "backbone.safetensors") as partial:
        save_file(weights, partial)
    report = {"log": progress["log"], "settings": settings_of(args), "commit": progress["commit"]}
    write_text(args.output_dir / "backbone.json", json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(parse_args())
