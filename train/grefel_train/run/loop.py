"""
The loop: epochs of batches, evaluation of the averaged weights, the best model, and checkpoints.

Exact resume needs no saved random states: torch's generator is seeded for every batch from (seed, epoch, batch,
process), which settles augmentation, mixup and dropout; the order of images depends on (seed, epoch).
"""

import argparse
import contextlib
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import DistributedType
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.files import write_text
from grefel_train.data.augmentation import FaceAugmentation, build_augmentation, mixed
from grefel_train.data.dataset import normalize, to_unit_range
from grefel_train.data.labels import target_distributions
from grefel_train.evaluation.validation import balancing_metrics, mean_confidences, predict
from grefel_train.run.anchors import embeddings_for_anchors, place_anchors, replace_dead_anchors
from grefel_train.run.averages import WeightAverage, local_tensors
from grefel_train.run.build import train_mode
from grefel_train.run.checkpoints import write_checkpoint
from grefel_train.run.interruption import Interrupted, StopRequest
from grefel_train.run.log import TrainingLog
from grefel_train.run.saving import save_model


class NotFinite(RuntimeError):
    """The loss or its gradient is no number; the message says where and what to do."""


@dataclasses.dataclass
class Progress:
    """Where a run stands; part of every checkpoint."""

    step: int = 0  # optimiser steps done
    epoch: int = 0  # epochs done
    batches: int = 0  # batches done of the epoch that is not, per process
    best: dict[str, Any] | None = None  # metrics of the best model, with its epoch and step
    unmeasured: bool = False  # the epoch that has ended is not evaluated yet

    @property
    def current_epoch(self) -> int:
        """From 1: the epoch that is going on, or the one that has just ended."""
        return self.epoch + (self.batches > 0)


@dataclasses.dataclass
class Run:
    """All that the loop works with. Model, optimiser and loaders are prepared by the accelerator."""

    args: argparse.Namespace
    accelerator: Accelerator
    model: torch.nn.Module
    plain_model: GReFELForImageClassification  # without what prepare wraps around it
    average: WeightAverage | None
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    train_loader: DataLoader
    eval_loader: DataLoader | None
    processor: GReFELImageProcessor
    total_steps: int
    settings: dict[str, Any]  # what shapes the weights, for checkpoints
    progress: Progress
    log: TrainingLog
    output_dir: Path
    stop: StopRequest

    @property
    def sharded(self) -> bool:
        """Each process holds a part of the weights only."""
        return self.accelerator.distributed_type == DistributedType.FSDP


def train(run: Run):
    """
    Go on from `run.progress` to the end.

    Raises:
        NotFinite: the loss became NaN or infinite. Nothing of it was saved.
        OSError: the disk takes no more, or an image cannot be read.
        Interrupted: it was asked to stop; what there was is saved.
    """
    try:
        with run.stop.listening(), logging_redirect_tqdm():
            train_and_evaluate(run)
    except Interrupted:
        if run.progress.step:
            save_checkpoint(run)
        raise


def train_and_evaluate(run: Run):
    args, progress = run.args, run.progress
    augment = build_augmentation(args, run.plain_model.config.image_size)
    if args.eval_on_start and not progress.step:
        with averaged_weights(run):
            run.log.write("validation", 0, 0, evaluate(run))
    with tqdm(
        total=run.total_steps, initial=progress.step, unit="step", disable=not run.accelerator.is_main_process
    ) as bar:
        if progress.unmeasured:  # it was stopped there
            evaluate_and_keep_best(run)
            save_checkpoint(run)
        while not is_over(run):
            train_epoch(run, augment, bar)
            evaluate_and_keep_best(run)
            if is_over(run) or args.checkpointing_steps == "epoch" or progress.step % args.checkpointing_steps == 0:
                save_checkpoint(run)


def is_over(run: Run) -> bool:
    """All steps are done, or all epochs that --stop_after_epoch allows, or as many brought nothing as patience has."""
    args, progress = run.args, run.progress
    if progress.step >= run.total_steps or (args.stop_after_epoch and progress.epoch >= args.stop_after_epoch):
        return True
    best = progress.best["epoch"] if progress.best else progress.epoch
    return bool(args.early_stopping_patience) and progress.epoch - best >= args.early_stopping_patience


def train_epoch(run: Run, augment: FaceAugmentation, bar: tqdm):
    """The rest of the epoch at which `run.progress` stands, or of the run's steps."""
    args, accelerator, progress = run.args, run.accelerator, run.progress
    train_mode(run.model)
    run.train_loader.set_epoch(progress.epoch)
    loader = skip_first_batches(run.train_loader, progress.batches) if progress.batches else run.train_loader
    means, images_seen, since = Means(), 0, time.monotonic()
    for batch in loader:
        last = accelerator.gradient_state.end_of_dataloader
        seed_batch(args.seed, progress.epoch, progress.batches, accelerator.process_index)
        progress.batches += 1
        images, targets = prepare_batch(batch, run, augment)
        with accelerator.accumulate(run.model):
            output = run.model(pixel_values=images, labels=targets)
            check_finite(output.loss, "loss", run)
            accelerator.backward(output.loss)
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(run.model.parameters(), args.max_grad_norm or math.inf)
                if accelerator.scaler is None:  # which leaves out such a step by itself
                    check_finite(norm, "gradient", run)
            run.optimizer.step()
            run.optimizer.zero_grad()
        means.add(output)
        images_seen += len(images) * accelerator.num_processes
        if not accelerator.sync_gradients:
            continue
        progress.step += 1
        if not accelerator.optimizer_step_was_skipped:
            run.schedule.step()
        if run.average is not None:
            run.average.update()
        bar.update(1)
        if progress.step % args.logging_steps == 0:
            speed = round(images_seen / (time.monotonic() - since), 1)
            figures = means.take(accelerator)
            log_step(run, {**figures, "images_per_second": speed})
            bar.set_postfix({k: v for k, v in figures.items() if k.endswith("loss")} | {"images/s": speed})
            images_seen, since = 0, time.monotonic()
        if progress.step >= run.total_steps:
            loader.end()
            break
        if last:
            continue
        run.stop.check(accelerator)
        if args.checkpointing_steps != "epoch" and progress.step % args.checkpointing_steps == 0:
            save_checkpoint(run)
    if not progress.batches:
        raise ValueError("The training data has not one whole batch: lower --per_device_train_batch_size.")
    progress.unmeasured = True
    if last:
        progress.epoch, progress.batches = progress.epoch + 1, 0
        settle_anchors(run)


def settle_anchors(run: Run):
    """With --anchor_start kmeans: place the anchors after the first epoch, and after later ones those that are dead."""
    anchors = run.plain_model.anchors
    if run.args.anchor_start == "random" or anchors is None or run.progress.step >= run.total_steps:
        return
    run.model.eval()
    faces, batch = run.train_loader.dataset, run.args.per_device_eval_batch_size
    embeddings, labels = embeddings_for_anchors(run.plain_model, faces, run.processor, batch)
    before = anchors.positions.detach().clone()
    change = place_anchors if run.progress.epoch == 1 else replace_dead_anchors
    change(anchors, embeddings.to(before.device), labels.to(before.device))
    if run.accelerator.num_processes > 1:
        torch.distributed.broadcast(anchors.positions.data, src=0)
    if run.average is not None:  # which would lag behind
        moved = (anchors.positions.data != before).any(-1)
        run.average.of(anchors.positions)[moved] = anchors.positions.data[moved]


def seed_batch(seed: int, epoch: int, batch: int, process: int):
    """Settle all randomness of one batch in one process, wherever the run was begun or resumed."""
    torch.manual_seed(int(np.random.SeedSequence((seed, epoch, batch, process)).generate_state(1, np.uint64)[0]))


def prepare_batch(batch: dict[str, torch.Tensor], run: Run, augment: FaceAugmentation):
    """Pixels and labels of the loader to augmented pixel values (B, 3, S, S) and target distributions (B, N)."""
    args = run.args
    pixels = batch["pixels"]
    if run.processor.do_grayscale:  # three equal channels
        pixels = pixels[:, :1]
    images = augment(to_unit_range(pixels))
    num_labels = run.plain_model.num_labels
    targets = target_distributions(batch["labels"], num_labels, args.label_smoothing, args.label_sharpening)
    images, targets = mixed(images, targets, args.mixup_alpha, args.cutmix_alpha)
    images = normalize(images, run.processor)  # one channel becomes three, as mean and deviation have three
    return images.contiguous(memory_format=torch.channels_last), targets


def check_finite(value: torch.Tensor, name: str, run: Run):
    """Raise NotFinite for NaN and infinity. Resuming with the same settings would come to the same end."""
    if not torch.isfinite(value):
        best = run.output_dir / "best"
        raise NotFinite(
            f"The {name} became {value.item()} in epoch {run.progress.current_epoch}, after {run.progress.step} "
            "optimiser steps; nothing of that was saved. Lower --learning_rate, raise --warmup_steps, or leave out "
            "--mixed_precision, and begin anew"
            + (f", or with another --output_dir from --model_name_or_path {best}." if best.exists() else ".")
        )


def check_weights(run: Run):
    """The update after a sound loss may still have ruined the weights."""
    weights = [tensor for tensor in local_tensors(run.model) if tensor.is_floating_point()]
    check_finite(torch.stack([weight.sum() for weight in weights]).sum(), "sum of the weights", run)


class Means:
    """Means of a model's loss terms and confidences over batches, kept on the device until they are taken."""

    def __init__(self):
        self.sums: dict[str, torch.Tensor] = {}
        self.count = 0

    def add(self, output: dict[str, torch.Tensor | None]):
        """Terms that the model does not compute, as their weight is 0 or their part is off, are not there."""
        for name, value in output.items():
            if value is not None and name.endswith(("loss", "_confidence")):
                value = value.detach().float().mean()
                self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def take(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over batches and processes; begins anew."""
        values = accelerator.reduce(torch.stack(list(self.sums.values())) / self.count, "mean").tolist()
        figures = {name: round(value, 4) for name, value in zip(self.sums, values)}
        self.sums, self.count = {}, 0
        return dict(sorted(figures.items(), key=lambda item: (item[0] != "loss", not item[0].endswith("loss"))))


def log_step(run: Run, figures: dict[str, float]):
    rates = run.schedule.get_last_lr()  # that of the image backbone is last
    figures |= {"learning_rate": rates[0], "backbone_learning_rate": rates[-1]}
    run.log.write("train", run.progress.current_epoch, run.progress.step, figures)


@contextlib.contextmanager
def averaged_weights(run: Run):
    """The model is in eval mode, with its averaged weights where there are any, in every process the same."""
    synchronize_buffers(run)
    run.model.eval()
    with run.average.swapped_in() if run.average is not None else contextlib.nullcontext():
        yield


def synchronize_buffers(run: Run):
    """Give all processes the batch norm statistics of the first: those of the others were never to be kept."""
    if run.accelerator.num_processes == 1:
        return
    count = len(list(run.model.buffers()))
    averaged = run.average.tensors[-count:] if run.average is not None and count else []
    for buffer in (*local_tensors(run.model)[-count:], *averaged) if count else ():
        torch.distributed.broadcast(buffer, src=0)


def evaluate(run: Run) -> dict[str, Any]:
    """Metrics of the weights that the model has at the moment."""
    model = run.model if run.sharded else run.plain_model
    predictions = predict(model, run.eval_loader, run.processor, run.accelerator, run.stop.check)
    check_finite(predictions["corrected"].sum(), "sum of the probabilities on validation images", run)
    return {**balancing_metrics(predictions), "confidences": mean_confidences(predictions)}


def evaluate_and_keep_best(run: Run):
    """
    After an epoch: measure the averaged weights, and save them if they are the best, nothing can be measured, or
    --keep last asks for it.
    """
    check_weights(run)
    run.stop.check(run.accelerator)
    with averaged_weights(run):
        metrics = {"epoch": run.progress.current_epoch, "step": run.progress.step}
        if run.eval_loader is not None:
            measured = evaluate(run)
            run.log.write("validation", metrics["epoch"], metrics["step"], measured)
            metrics |= measured
        if run.args.keep == "last" or is_best(metrics, run):
            run.progress.best = metrics
            save_best(run, metrics)
    run.progress.unmeasured = False


def is_best(metrics: dict[str, Any], run: Run) -> bool:
    """Better than any before; without validation images the latest is the best."""
    best, metric = run.progress.best, run.args.metric_for_best
    return run.eval_loader is None or not best or metrics["corrected"][metric] > best["corrected"][metric]


def save_best(run: Run, metrics: dict[str, Any]):
    # Gathered from all processes where it is sharded.
    state = run.accelerator.get_state_dict(run.model) if run.sharded else run.plain_model.state_dict()
    if run.accelerator.is_main_process:
        save_model(run.plain_model, run.processor, run.output_dir / "best", state)
        write_text(run.output_dir / "best_metrics.json", json.dumps(metrics, indent=2) + "\n")


def save_checkpoint(run: Run):
    check_weights(run)
    synchronize_buffers(run)
    write_checkpoint(
        run.output_dir,
        dataclasses.asdict(run.progress),
        run.settings,
        lambda folder: save_states(run, folder),
        run.args.checkpoints_total_limit,
        run.accelerator,
    )


def save_states(run: Run, folder: Path):
    """Weights, optimiser, schedule, scaler and averages."""
    run.accelerator.save_state(str(folder))
    if run.average is not None and (run.sharded or run.accelerator.is_main_process):
        torch.save(run.average.state_dict(), folder / average_file(run))


def load_states(run: Run, folder: Path):
    run.accelerator.load_state(str(folder))
    if run.average is not None:
        run.average.load_state_dict(torch.load(folder / average_file(run), map_location="cpu", weights_only=True))


def average_file(run: Run) -> str:
    return f"average_{run.accelerator.process_index}.pt" if run.sharded else "average.pt"
