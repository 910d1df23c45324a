"""Which peak rate to train with: a trial whose rate grows until the loss does (Smith, 2017)."""

import math
from collections.abc import Sequence
from itertools import count, islice

import torch
from tqdm.auto import tqdm

from grefel_train.data.augmentation import build_augmentation
from grefel_train.run.build import train_mode
from grefel_train.run.loop import Run, prepare_batch, seed_batch

STEPS = 100
LOWEST, HIGHEST = 1e-6, 1.0
SMOOTHING = 0.9  # share of the loss so far in that which is looked at
GIVE_UP = 2.0  # times the least loss
MARGIN = 10.0  # by which the suggested rate is below that of the least loss


def find_rate(run: Run) -> list[tuple[float, float, float]]:
    """
    Train one batch a step at growing rates, those of all parts in the proportion that the flags give them.

    Returns:
        --learning_rate, loss, smoothed loss of each step, up to the one at which the loss is `GIVE_UP` times the least.

    Raises:
        OSError: an image cannot be read.
    """
    args, accelerator = run.args, run.accelerator
    augment = build_augmentation(args, run.plain_model.config.image_size)
    shares = [group["initial_lr"] / args.learning_rate for group in run.optimizer.param_groups]
    rows, mean = [], 0.0
    train_mode(run.model)
    batches = ((epoch, number, batch) for epoch in count() for number, batch in enumerate(epoch_of(run, epoch)))
    bar = tqdm(islice(batches, STEPS), total=STEPS, unit="step", disable=not accelerator.is_main_process)
    for step, (epoch, number, batch) in enumerate(bar):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        for group, share in zip(run.optimizer.param_groups, shares):
            group["lr"] = share * rate
        seed_batch(args.seed, epoch, number, accelerator.process_index)
        images, targets = prepare_batch(batch, run, augment)
        loss = run.model(pixel_values=images, labels=targets).loss
        value = accelerator.reduce(loss.detach(), "mean").item()
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        smoothed = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(value) or (rows and smoothed > GIVE_UP * min(row[2] for row in rows)):
            break
        rows.append((rate, value, smoothed))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(run.model.parameters(), args.max_grad_norm or math.inf)
        run.optimizer.step()
        run.optimizer.zero_grad()
    return rows


def epoch_of(run: Run, epoch: int):
    run.train_loader.set_epoch(epoch)
    return run.train_loader


def suggested_rate(rows: Sequence[tuple[float, float, float]]) -> float | None:
    """A tenth of the rate at which the smoothed loss is least; None where it never fell."""
    losses = torch.tensor([smoothed for *_, smoothed in rows])
    least = int(losses.argmin()) if len(rows) else 0
    return rows[least][0] / MARGIN if least else None


def table(rows: Sequence[tuple[float, float, float]]) -> str:
    """As CSV."""
    lines = [f"{rate:.3g},{loss:.4f},{smoothed:.4f}" for rate, loss, smoothed in rows]
    return "\n".join(["learning_rate,loss,smoothed_loss", *lines]) + "\n"
