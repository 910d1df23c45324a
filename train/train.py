"""
Train GReFEL on FER+.

    accelerate launch train/train.py --config train/configs/grefel-small.yaml --dataset_dir FERPLUS --output_dir OUT

One epoch after another: train, average the weights, evaluate the average on the validation split, keep it if it is
the best so far (half-precision weights, config and processor in OUT/best), write a checkpoint to resume from. Every
key of the recipe is a flag. OUT/training_log.jsonl has one line per logging step and per epoch, OUT/all_results.json
the result with the arguments, versions and commit that made it.
"""

import argparse
import importlib.metadata
import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, TorchDynamoPlugin, set_seed
from safetensors import SafetensorError
from safetensors.torch import load_file
from tqdm.auto import tqdm
from transformers import get_scheduler

from augmentation import FaceAugmentation
from averaging import moving_average
from checkpoint_files import replaced_folder
from evaluation import balancing_metrics, predict
from face_dataset import FaceDataset, normalize, to_unit_range
from ferplus import EMOTIONS, load_ferplus
from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor
from recipe import parse_with_recipe

LOSS_TERMS = ("loss", "classification_loss", "primary_loss", "geometric_loss", "anchor_loss", "center_loss")
CHECKPOINT_PREFIX = "checkpoint-epoch-"


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--config", help="YAML recipe; its keys are these flags, and `model` the entries of GReFELConfig.")
    add("--dataset_dir", required=True, help="FER+ folder of parquet files (train/ferplus.py says which columns).")
    add("--output_dir", required=True, help="Where checkpoints, the best model and logs go.")
    add("--size", default="small", choices=["small", "base"], help="Size that `model` starts from.")
    add("--model_name_or_path", help="Go on from the weights of this model; `model` then changes its config.")
    add("--image_backbone", help="Safetensors of the image backbone (train/prepare_backbone.py); random without.")
    add("--landmark_backbone", help="Safetensors of the landmark backbone, or of train_landmarks.py; random without.")
    add("--freeze_stages", type=int, default=0, help="Keep the stem (1) and so many stages less one of the image backbone.")
    add("--label_sharpening", type=float, default=1.0, help="Power of the label distributions; above 1 is sharper.")
    add("--balance_power", type=float, default=0.0, help="Draw classes by frequency ** (1 - power); 0 is plain.")
    add("--holdout_fraction", type=float, default=0.0, help="Share of train that is never trained on (calibrate.py).")
    add("--num_train_epochs", type=int, default=8)
    add("--max_train_steps", type=int, help="Stop after so many optimiser steps, whatever the epochs say.")
    add("--stop_after_epoch", type=int, help="End early but keep the schedule; resume to go on.")
    add("--per_device_train_batch_size", type=int, default=64)
    add("--per_device_eval_batch_size", type=int, default=64)
    add("--gradient_accumulation_steps", type=int, default=1)
    add("--learning_rate", type=float, default=1.5e-3, help="Peak rate, of the parts that start random.")
    add("--backbone_learning_rate", type=float, default=7.5e-4, help="Peak rate of the image backbone.")
    add("--weight_decay", type=float, default=0.05)
    add("--lr_scheduler_type", default="cosine")
    add("--warmup_ratio", type=float, default=0.03, help="Share of the steps in which the rate rises.")
    add("--max_grad_norm", type=float, default=5.0)
    add("--ema_decay", type=float, default=0.998, help="Decay per step of the average of weights.")
    add("--augmentation_strength", type=float, default=1.0)
    add("--mixed_precision", choices=["no", "fp16", "bf16"], help="Default: what accelerate is configured for.")
    add("--torch_compile", action=argparse.BooleanOptionalAction, default=False)
    add("--dataloader_num_workers", type=int, default=1)
    add("--logging_steps", type=int, default=50)
    add("--resume_from_checkpoint", help="A checkpoint folder, or `latest`.")
    add("--seed", type=int, default=0)
    return parse_with_recipe(parser, argv)


def build_model(args: argparse.Namespace) -> GReFELForImageClassification:
    """A model of the recipe, with the given backbones in it."""
    labels = dict(enumerate(EMOTIONS))
    names = {"id2label": labels, "label2id": {name: i for i, name in labels.items()}}
    if args.model_name_or_path:
        config = GReFELConfig.from_pretrained(args.model_name_or_path, **names, **args.model)
        model = GReFELForImageClassification.from_pretrained(args.model_name_or_path, config=config)
    else:
        model = GReFELForImageClassification(GReFELConfig.from_size(args.size, **names, **args.model))
    pyramid = model.grefel.pyramid
    for path, backbone in (
        (args.image_backbone, pyramid.image_backbone),
        (args.landmark_backbone, pyramid.landmark_backbone),
    ):
        if path and not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist; train/prepare_backbone.py makes such a file.")
        if path:
            weights = load_file(path)
            prefixes = ("landmark_backbone.", "landmark_head.")
            if any(name.startswith(prefixes) for name in weights):
                parts = {p: {k.removeprefix(p): v for k, v in weights.items() if k.startswith(p)} for p in prefixes}
                pyramid.landmark_backbone.load_state_dict(parts[prefixes[0]])
                pyramid.landmark_head.load_state_dict(parts[prefixes[1]])
            else:
                backbone.load_state_dict(weights)
    for module in frozen_stages(model, args.freeze_stages):
        module.requires_grad_(False)
    return model


def frozen_stages(model: GReFELForImageClassification, count: int) -> list[torch.nn.Module]:
    """The first `count` of stem, stage1, stage2, stage3 of the image backbone."""
    backbone = model.grefel.pyramid.image_backbone
    return [backbone.stem, backbone.stage1, backbone.stage2, backbone.stage3][:count]


class BalancedSampler(torch.utils.data.Sampler):
    """Images drawn with replacement, classes with probability in proportion to frequency ** (1 - power)."""

    def __init__(self, classes: torch.Tensor, power: float, seed: int):
        counts = torch.bincount(classes).double()
        self.weights = counts.pow(-power)[classes]
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 100003 + self.epoch)
        yield from torch.multinomial(self.weights, len(self.weights), True, generator=generator).tolist()


def holdout_mask(count: int, fraction: float) -> torch.Tensor:
    """Which of `count` rows are held out of training: the same ones for any seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(20241))
    mask = torch.zeros(count, dtype=torch.bool)
    mask[order[: int(fraction * count)]] = True
    return mask


def parameter_groups(model: GReFELForImageClassification, args: argparse.Namespace) -> list[dict]:
    """Two learning rates, and no weight decay on vectors (biases, norms, slopes, scales), anchors and positions."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    undecayed = ("anchors.positions", "cls_token", "position_embeddings", "position_bias_table")
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = args.backbone_learning_rate if "image_backbone" in name else args.learning_rate
        decay = 0.0 if parameter.ndim < 2 or name.endswith(undecayed) else args.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def make_loader(data, processor, label_column, batch_size, args, train: bool, sampler=None):
    return torch.utils.data.DataLoader(
        FaceDataset(data, processor, label_column),
        batch_size=batch_size,
        shuffle=train and sampler is None,
        sampler=sampler,
        drop_last=train,  # batch norm wants whole batches
        num_workers=args.dataloader_num_workers,
        persistent_workers=args.dataloader_num_workers > 0,
    )


def checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    found = [p for p in output_dir.glob(CHECKPOINT_PREFIX + "*") if p.name[len(CHECKPOINT_PREFIX) :].isdigit()]
    return sorted(found, key=epoch_of)


def epoch_of(checkpoint: Path) -> int:
    return int(checkpoint.name[len(CHECKPOINT_PREFIX) :])


def resume(accelerator: Accelerator, args: argparse.Namespace) -> int:
    """Load the checkpoint that the flag names and return how many epochs it has seen."""
    if not args.resume_from_checkpoint:
        return 0
    path = Path(args.resume_from_checkpoint)
    if args.resume_from_checkpoint == "latest":
        found = checkpoints(Path(args.output_dir))
        if not found:
            accelerator.print(f"No checkpoint in {args.output_dir}: starting from the beginning.")
            return 0
        path = found[-1]
    accelerator.load_state(str(path))
    accelerator.print(f"Resumed from {path}.")
    return epoch_of(path)


def save_model(model: GReFELForImageClassification, processor: GReFELImageProcessor, folder: Path):
    """Weights in half precision (they load as float32, which the config names), config and processor."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    with replaced_folder(folder) as partial:
        model.save_pretrained(partial, state_dict=state)
        processor.save_pretrained(partial)


def provenance() -> dict[str, str]:
    """Commit and package versions, for the results file."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    packages = ("torch", "transformers", "accelerate", "datasets", "kornia", "safetensors")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"commit": commit.stdout.strip() or "unknown", **versions}


def run_origin(output_dir: Path, goes_on: bool) -> dict[str, str]:
    """What the run was started with; kept in a file, as the working tree may move on before it is resumed."""
    file = output_dir / "origin.json"
    if goes_on and file.exists():
        return json.loads(file.read_text())
    origin = provenance()
    file.write_text(json.dumps(origin, indent=2))
    return origin


class Log:
    """One JSON object a line, from the main process; `seconds` is time spent training, over all resumptions."""

    def __init__(self, path: Path, accelerator: Accelerator, goes_on: bool):
        self.path = path
        self.accelerator = accelerator
        lines = path.read_text().splitlines() if goes_on and path.exists() else []
        self.start = time.monotonic() - (json.loads(lines[-1])["seconds"] if lines else 0.0)
        if accelerator.is_main_process and not lines:
            path.write_text("")

    def seconds(self) -> float:
        return round(time.monotonic() - self.start, 1)

    def write(self, entry: dict):
        if self.accelerator.is_main_process:
            line = json.dumps({"seconds": self.seconds(), **entry})
            tqdm.write(line)
            with self.path.open("a") as file:
                file.write(line + "\n")


def train_epoch(model, average, loader, processor, augment, optimizer, scheduler, accelerator, args, log, epoch, bar):
    """One pass over the loader. Returns False when --max_train_steps is reached."""
    model.train()
    for module in frozen_stages(accelerator.unwrap_model(model, keep_torch_compile=False), args.freeze_stages):
        module.eval()
    sums, count, since = dict.fromkeys(LOSS_TERMS, 0.0), 0, time.monotonic()
    for batch in loader:
        with accelerator.accumulate(model):
            images = normalize(augment(to_unit_range(batch["pixels"])), processor)
            labels = batch["labels"] ** args.label_sharpening
            output = model(pixel_values=images, labels=labels / labels.sum(-1, keepdim=True))
            if not torch.isfinite(output.loss):
                raise SystemExit(
                    f"The loss is {output.loss.item()} in epoch {epoch + 1}. Lower --learning_rate or go on without "
                    "--mixed_precision; --resume_from_checkpoint latest continues from the last epoch."
                )
            accelerator.backward(output.loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), args.max_grad_norm)
            optimizer.step()
            if accelerator.sync_gradients:
                scheduler.step()
            optimizer.zero_grad()
        for term in LOSS_TERMS:
            sums[term] += float(output.get(term, 0.0))  # terms with weight 0 are not computed
        count += 1
        if not accelerator.sync_gradients:
            continue
        average.update_parameters(accelerator.unwrap_model(model, keep_torch_compile=False))
        bar.update(1)
        if bar.n % args.logging_steps == 0:
            images_seen = count * args.per_device_train_batch_size * accelerator.num_processes
            means = {term: round(value / count, 4) for term, value in sums.items()}
            rate = max(scheduler.get_last_lr())  # that of the parts that start random
            speed = round(images_seen / (time.monotonic() - since), 1)
            log.write({"epoch": epoch + 1, "step": bar.n, **means, "learning_rate": rate, "images_per_second": speed})
            sums, count, since = dict.fromkeys(LOSS_TERMS, 0.0), 0, time.monotonic()
        if bar.n >= bar.total:
            return False
    return True


def main(args: argparse.Namespace):
    compile_plugin = TorchDynamoPlugin(backend="inductor") if args.torch_compile else None
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        dynamo_plugin=compile_plugin,
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
    )
    set_seed(args.seed)
    output_dir = Path(args.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    origin = run_origin(output_dir, goes_on=bool(args.resume_from_checkpoint))
    log = Log(output_dir / "training_log.jsonl", accelerator, goes_on=bool(args.resume_from_checkpoint))

    try:
        model = build_model(args).to(memory_format=torch.channels_last)
        train_data = load_ferplus(args.dataset_dir, "train", "probability")
        eval_data = load_ferplus(args.dataset_dir, "validation", "majority")
    except (OSError, ValueError, SafetensorError) as error:
        sys.exit(f"Cannot start training: {error}")
    if args.holdout_fraction:
        train_data = train_data.select((~holdout_mask(len(train_data), args.holdout_fraction)).nonzero().flatten().tolist())
    classes = torch.tensor(train_data.with_format("numpy", columns=["distribution"])["distribution"][:]).argmax(-1)
    sampler = BalancedSampler(classes, args.balance_power, args.seed) if args.balance_power else None
    side = model.config.image_size
    processor = GReFELImageProcessor(size={"height": side, "width": side}, do_grayscale=True)
    train_loader = make_loader(train_data, processor, "distribution", args.per_device_train_batch_size, args, True, sampler)
    eval_loader = make_loader(eval_data, processor, "label", args.per_device_eval_batch_size, args, False)

    average = moving_average(model, args.ema_decay)
    average.to(accelerator.device)
    optimizer = torch.optim.AdamW(parameter_groups(model, args), betas=(0.9, 0.999))
    model, optimizer, train_loader, eval_loader = accelerator.prepare(model, optimizer, train_loader, eval_loader)
    steps_per_epoch = math.ceil(len(train_loader) / args.gradient_accumulation_steps)
    total_steps = min(args.num_train_epochs * steps_per_epoch, args.max_train_steps or math.inf)
    # accelerate steps a prepared scheduler once per process, so this one stays plain: it counts optimiser steps.
    scheduler = get_scheduler(
        args.lr_scheduler_type, optimizer, int(args.warmup_ratio * total_steps), num_training_steps=total_steps
    )
    accelerator.register_for_checkpointing(average, scheduler)
    augment = FaceAugmentation(args.augmentation_strength)

    best_file = output_dir / "best_metrics.json"
    first_epoch = resume(accelerator, args)
    best = json.loads(best_file.read_text()) if first_epoch and best_file.exists() else None
    accelerator.print(f"{len(train_data)} training and {len(eval_data)} validation images, {total_steps} steps.")
    bar = tqdm(total=total_steps, initial=first_epoch * steps_per_epoch, disable=not accelerator.is_main_process)
    last_epoch = min(args.num_train_epochs, args.stop_after_epoch or args.num_train_epochs)
    for epoch in range(first_epoch, last_epoch):
        train_loader.set_epoch(epoch)
        if sampler is not None:
            sampler.set_epoch(epoch)
        more = train_epoch(
            model, average, train_loader, processor, augment, optimizer, scheduler, accelerator, args, log, epoch, bar
        )
        average.eval()
        metrics = balancing_metrics(predict(average.module, eval_loader, processor, accelerator))
        metrics = {"epoch": epoch + 1, **metrics}
        log.write(metrics)
        if best is None or metrics["corrected"]["accuracy"] > best["corrected"]["accuracy"]:
            best = metrics
            if accelerator.is_main_process:
                save_model(average.module, processor, output_dir / "best")
                best_file.write_text(json.dumps(best, indent=2))
        save_checkpoint(accelerator, output_dir, epoch + 1)
        if not more:
            break
    bar.close()
    if accelerator.is_main_process:
        results = {"best": best, "seconds": log.seconds(), "args": vars(args), **origin}
        (output_dir / "all_results.json").write_text(json.dumps(results, indent=2))
    accelerator.end_training()


def save_checkpoint(accelerator: Accelerator, output_dir: Path, epoch: int):
    """All states after an epoch, whole or not at all; older checkpoints go."""
    folder = output_dir / f"{CHECKPOINT_PREFIX}{epoch}"
    partial = folder.with_name(folder.name + ".partial")
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        for old in checkpoints(output_dir)[:-1]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


if __name__ == "__main__":
    main(parse_args())
