"""
Teach an image backbone expressions, with one linear layer on it, before GReFEL is built around it.

    accelerate launch train/train_backbone.py --dataset_dir FERPLUS --calibration_fraction 0.05 \\
        --backbone train/weights/mobilenet-v1-vggface2.safetensors --output_dir OUT

The layer sees the means of the last two maps. All of the backbone learns, or all but --freeze_stages, at each of
--image_sizes for as many passes as --num_train_epochs says, on one cosine schedule; with several --seeds one run after
the other, all from --backbone. OUT/backbone.safetensors, the mean of the runs' averaged weights after their last pass,
is for `train.py --image_backbone`, or for another run to start from. OUT/backbone.json has the validation metrics of
the classifier, which is thrown away, and, for comparison, those of the mean of the runs' distributions ("ensemble").
The same command goes on from the last whole pass if it was interrupted.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grefel_train.data.arguments import add_data_arguments
from grefel_train.flags import FlagParser, at_least


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--output_dir", required=True, type=Path)
    add("--backbone", required=True, help="Safetensors of MobileNet v1, or of a GReFEL checkpoint built on it.")
    add_data_arguments(parser)
    add("--image_sizes", type=at_least(1, int), nargs="+", default=[112, 160], help="Sides of the crops, in turn.")
    add("--num_train_epochs", type=at_least(1, int), nargs="+", default=[18, 12], help="Passes at each of them.")
    add("--freeze_stages", type=int, choices=range(4), default=0, help="Leave stem and first stages as they are.")
    add("--per_device_train_batch_size", type=at_least(1, int), default=128)
    add("--learning_rate", type=at_least(0, float), default=8e-4, help="Peak rate of the classifier.")
    add("--backbone_learning_rate", type=at_least(0, float), default=4e-4)
    add("--weight_decay", type=at_least(0, float), default=0.05)
    add("--warmup_steps", type=at_least(0, int), default=200)
    add("--ema_decay", type=float, default=0.998)
    add("--balance_power", type=at_least(0, float), default=0.2)
    add("--augmentation_strength", type=at_least(0, float), default=1.0)
    add("--mixup_alpha", type=at_least(0, float), default=0.2)
    add("--cutmix_alpha", type=at_least(0, float), default=0.2)
    add("--mixing_chance", type=float, default=1.0, help="Of a batch to be mixed at all.")
    add("--mixed_precision", choices=("no", "bf16"), default="bf16")
    add(
        "--torch_compile",
        nargs="?",
        const="inductor",
        choices=("inductor", "eager"),
        help="Compile the network, which is a little faster; `inductor`, the default, needs a C++ compiler on a CPU.",
    )
    add("--evaluation_epochs", type=at_least(1, int), default=4, help="Measure after so many passes, and at the end.")
    add("--seeds", type=at_least(0, int), nargs="+", default=[0], help="One run for each; their weights are averaged.")
    args = parser.parse_args(argv)
    if len(args.image_sizes) != len(args.num_train_epochs):
        parser.error("--image_sizes and --num_train_epochs need as many numbers, one for each size.")
    if not 0 <= args.mixing_chance <= 1:
        parser.error(f"--mixing_chance {args.mixing_chance}: a chance is between 0 and 1.")
    if len(set(args.seeds)) < len(args.seeds):
        parser.error(f"--seeds {' '.join(map(str, args.seeds))}: two runs of one seed are the same.")
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
from tqdm.auto import tqdm
from transformers import get_scheduler

from grefel_hf import GReFELConfig, GReFELImageProcessor
from grefel_hf.files import file_digest, whole_file, write_text
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1
from grefel_train.data.augmentation import FaceAugmentation, draw, mixed
from grefel_train.data.dataset import FaceDataset, normalize, to_unit_range
from grefel_train.data.fingerprint import data_fingerprint
from grefel_train.data.labels import target_distributions
from grefel_train.data.loading import FaceData, load_face_data
from grefel_train.data.samplers import BalancedSampler
from grefel_train.data.splits import class_ids, training_target_column
from grefel_train.evaluation.metrics import classification_metrics
from grefel_train.run.averages import WeightAverage
from grefel_train.run.build import train_mode
from grefel_train.run.checkpoints import CheckpointError, as_json, checked_progress, checkpoints, write_checkpoint
from grefel_train.run.loop import seed_batch
from grefel_train.run.processes import keep_freed_memory, leave
from grefel_train.run.provenance import provenance

IN_GREFEL = "grefel.pyramid.image_backbone."
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


def in_memory(
    split: Dataset, processor: GReFELImageProcessor, size: int, column: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey pixels (M, 1, S, S) uint8 of a split with its labels: class ids (M,) or distributions (M, N)."""
    faces = FaceDataset(split, processor, column, size=size)
    pixels, labels = torch.empty(len(split), 1, size, size, dtype=torch.uint8), []
    for i in tqdm(range(len(split)), desc=f"faces at {size} pixels"):
        item = faces[i]
        pixels[i] = item["pixels"][:1]
        labels.append(item["labels"])
    return pixels, torch.stack(labels)


def to_pixel_values(images: torch.Tensor, processor: GReFELImageProcessor) -> torch.Tensor:
    """Images (B, 1, S, S) in [0, 1] to the network's input (B, 3, S, S)."""
    return normalize(images, processor).contiguous(memory_format=torch.channels_last)


class FacesInMemory:
    """The splits at the sizes that were asked for: `train` with vote distributions, `validation` with classes."""

    COLUMNS = {"train": "distribution", "validation": "label"}

    def __init__(self, data: FaceData):
        self.data = data
        self.processor = GReFELImageProcessor(do_grayscale=True)
        self.kept: dict[tuple[str, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def at(self, size: int, split: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels (M, 1, S, S) uint8 and labels, on the device from the first time on."""
        if (size, split) not in self.kept:
            pixels, labels = in_memory(getattr(self.data, split), self.processor, size, self.COLUMNS[split])
            self.kept[size, split] = (pixels.to(device), labels.to(device))
        return self.kept[size, split]


@torch.no_grad()
def predict(model: nn.Module, faces: FacesInMemory, size: int, device: torch.device) -> torch.Tensor:
    """Probabilities (M, N) of the validation images, in every process alike."""
    model.eval()
    pixels, _ = faces.at(size, "validation", device)
    parts = (to_unit_range(part) for part in pixels.split(128))
    logits = [model.forward(to_pixel_values(part, faces.processor)) for part in parts]  # `forward` is never compiled
    return torch.cat(logits).float().softmax(-1).cpu()


def measure(faces: FacesInMemory, size: int, probabilities: torch.Tensor) -> dict[str, float]:
    _, labels = faces.at(size, "validation", probabilities.device)
    return classification_metrics(probabilities, labels.to(probabilities.device))


def sizes_by_pass(args: argparse.Namespace) -> list[int]:
    return [size for size, passes in zip(args.image_sizes, args.num_train_epochs) for _ in range(passes)]


def order_of_pass(
    sampler: BalancedSampler, epoch: int, steps: int, batch_size: int, accelerator: Accelerator
) -> torch.Tensor:
    """(steps, B): which images are in the batches of this process; what does not fill one for each is left out."""
    sampler.set_epoch(epoch)
    shape = (steps, accelerator.num_processes, batch_size)
    return torch.tensor(list(sampler))[: math.prod(shape)].view(shape)[:, accelerator.process_index]


def batches(
    faces: tuple[torch.Tensor, torch.Tensor], order: torch.Tensor, args: argparse.Namespace, seeds: tuple, processor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """
    Augmented pixel values (B, 3, S, S) and target distributions (B, N) of one pass, made where the faces are.

    Args:
        faces: pixels (M, 1, S, S) uint8 and distributions (M, N).
        order: (steps, B), as of `order_of_pass`.
        seeds: seed of the run, number of the pass, index of the process.
    """
    pixels, labels = faces
    augment = FaceAugmentation(pixels.shape[-1], args.augmentation_strength)
    seed, epoch, process = seeds
    for number, chosen in enumerate(order.to(pixels.device)):
        seed_batch(seed, epoch, number, process)
        targets = target_distributions(labels[chosen], labels.shape[-1], 0.0, 1.0)
        images = augment(to_unit_range(pixels[chosen]))
        if draw(1, args.mixing_chance).item():
            images, targets = mixed(images, targets, args.mixup_alpha, args.cutmix_alpha)
        yield to_pixel_values(images, processor), targets


def train_pass(model, optimizer, schedule, average: WeightAverage, parts: Iterator, accelerator: Accelerator) -> float:
    """One pass over `batches`; the sum of the losses. Nothing in it waits for a GPU."""
    train_mode(model)
    total = torch.zeros((), device=accelerator.device)
    for images, targets in parts:
        loss = nn.functional.cross_entropy(model(images).float(), targets)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.update()
        total += loss.detach()
    return total.item()


def main(args: argparse.Namespace):
    keep_freed_memory()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    try:
        data = load_face_data(args)
        if data.validation is None:
            raise ValueError("there are no validation images to measure on.")
        if training_target_column(data.train) != "distribution":
            raise ValueError("the data has one class for each image, and this script teaches from votes.")
        build(args, len(data.label_names))
        before = stage_before(args.backbone)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        sys.exit(f"Cannot start training: {error}")
    faces = FacesInMemory(data)
    runs = [train_run(args, seed, faces) for seed in args.seeds]
    accelerator = Accelerator(mixed_precision=args.mixed_precision)
    if accelerator.is_main_process:
        finish(args, runs, before, faces, accelerator.device)
    leave(accelerator)


def build(args: argparse.Namespace, num_labels: int) -> ExpressionClassifier:
    """A classifier on the backbone to start from, whose first stages are frozen if so asked."""
    model = ExpressionClassifier(num_labels)
    weights = load_file(args.backbone)
    inside = {name.removeprefix(IN_GREFEL): w for name, w in weights.items() if name.startswith(IN_GREFEL)}
    model.backbone.load_state_dict(inside or weights)
    if args.freeze_stages:
        for name in ("stem", "stage1", "stage2", "stage3")[: args.freeze_stages + 1]:
            getattr(model.backbone, name).requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Run:
    """What a run leaves: averaged weights, one entry a pass, and the commit of the code that made the last one."""

    weights: dict[str, torch.Tensor]
    log: list[dict[str, float]]
    commit: str | None


def train_run(args: argparse.Namespace, seed: int, faces: FacesInMemory) -> Run:
    """One run, from its last checkpoint in OUT/seed-N if there is one."""
    accelerator = Accelerator(mixed_precision=args.mixed_precision)
    set_seed(seed)
    data, output_dir = faces.data, args.output_dir / f"seed-{seed}"
    model = build(args, len(data.label_names))
    on_gpu = accelerator.device.type == "cuda"
    torch.backends.cudnn.benchmark = on_gpu  # every batch has one shape
    optimizer = torch.optim.AdamW(parameter_groups(model, args), weight_decay=args.weight_decay, fused=on_gpu)
    model, optimizer = accelerator.prepare(model, optimizer)
    if args.torch_compile:
        model.compile(backend=args.torch_compile)
    steps = len(data.train) // (args.per_device_train_batch_size * accelerator.num_processes)
    if not steps:
        sys.exit(f"Cannot start training: {len(data.train)} images are less than a batch; lower its size.")
    sizes = sizes_by_pass(args)
    schedule = get_scheduler("cosine", optimizer, args.warmup_steps, steps * len(sizes))
    average = WeightAverage(model, args.ema_decay)
    accelerator.register_for_checkpointing(schedule, average)
    settings = settings_of(args) | {"seed": seed, "processes": accelerator.num_processes}
    settings |= {"data": data_fingerprint(data.train), "start": file_digest(args.backbone)}
    progress = resumed(output_dir, settings, accelerator)

    sampler = BalancedSampler(class_ids(data.train), args.balance_power, seed)
    for epoch in range(progress["step"], len(sizes)):
        started, size = time.monotonic(), sizes[epoch]
        crops = faces.at(size, "train", accelerator.device)
        order = order_of_pass(sampler, epoch, steps, args.per_device_train_batch_size, accelerator)
        parts = tqdm(
            batches(crops, order, args, (seed, epoch, accelerator.process_index), faces.processor),
            desc=f"seed {seed}, pass {epoch + 1}, {size} pixels",
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
            with average.swapped_in():
                entry |= measure(faces, size, predict(model, faces, size, accelerator.device))
        entry["seconds"] = round(time.monotonic() - started)
        accelerator.print(entry)
        progress = {"step": epoch + 1, "log": [*progress["log"], entry], "commit": provenance()["commit"]}
        save(output_dir, progress, settings, accelerator)
    with average.swapped_in():
        weights = {name: w.detach().clone() for name, w in accelerator.unwrap_model(model).state_dict().items()}
    return Run(weights, progress["log"], progress["commit"])


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
    return as_json({name: value for name, value in vars(args).items() if name not in (*PLACES, "seeds")})


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


def finish(args: argparse.Namespace, runs: list[Run], before: dict | None, faces: FacesInMemory, device: torch.device):
    """Write what was measured, and then the backbone's weights, the mean over the runs."""
    model, size = build(args, len(faces.data.label_names)).to(device), args.image_sizes[-1]

    def answers(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        model.load_state_dict(weights)
        return predict(model, faces, size, device)

    ensemble = torch.stack([answers(run.weights) for run in runs]).mean(0)
    report = {
        "runs": [{"seed": seed, "log": run.log, "commit": run.commit} for seed, run in zip(args.seeds, runs)],
        "ensemble": measure(faces, size, ensemble),
        "average": measure(faces, size, answers(mean_weights([run.weights for run in runs]))),
        "settings": settings_of(args),
        "before": before,
    }
    accuracies = ", ".join(f"{run.log[-1]['accuracy']:.2%}" for run in runs)
    print(f"On validation right: {accuracies}; the mean of the weights {report['average']['accuracy']:.2%}.")
    weights = {name: weight.cpu().contiguous() for name, weight in model.backbone.state_dict().items()}
    write_text(args.output_dir / "backbone.json", json.dumps(report, indent=2) + "\n")
    with whole_file(args.output_dir / "backbone.safetensors") as partial:  # last: where they are, the stage is done
        save_file(weights, partial)


def mean_weights(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Entry by entry; what is not floating point (a count of batches) as the first has it."""
    first, *_ = states
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if weight.is_floating_point() else weight
        for name, weight in first.items()
    }


def stage_before(weights: str) -> dict[str, Any] | None:
    """What made them, where that lies beside them: the report of this script, or the like of a run of train.py."""
    folder = Path(weights).parent
    if (folder / "backbone.json").is_file():
        return json.loads((folder / "backbone.json").read_text())
    for results in (folder / "all_results.json", folder.parent / "all_results.json"):  # a checkpoint, a run's OUT/best
        if results.is_file():
            run = json.loads(results.read_text())
            args = run["args"]
            size = GReFELConfig.from_pretrained(folder).image_backbone_size
            settings = {"image_sizes": [size], "num_train_epochs": [args["num_train_epochs"]]}
            settings["freeze_stages"] = args["freeze_stages"]
            made = {"seed": args["seed"], "commit": run["commit"], "seconds": run["seconds"]}
            return {"script": "train/train.py", "runs": [made], "settings": settings, "before": None}
    return None


if __name__ == "__main__":
    main(parse_args())
