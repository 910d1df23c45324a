"""Training one arm on stored features, and measuring it."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from grefel_hf.model.reliability_balancing import confidence
from grefel_train.evaluation.metrics import classification_metrics, is_correct
from grefel_train.evaluation.selective import at_coverage, risk_coverage_curve
from grefel_train.laboratory.features import Features
from grefel_train.laboratory.heads import Heads, in_parts
from grefel_train.laboratory.noise import Noise

BATCH_SIZE = 64
WEIGHT_DECAY = 0.05
WARM_UP = 0.05  # share of the steps


def subset(features: Features, count: int | None, noise: Noise, num_labels: int, seed: int) -> Features:
    """So many images at random (all where None), some of them with wrong labels; the same for all arms of a seed."""
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(features.labels))[:count])
    chosen = features.select(torch.from_numpy(rows))
    votes = None if chosen.votes is None else chosen.votes.numpy()
    return replace(chosen, labels=torch.from_numpy(noise.labels(chosen.labels.numpy(), votes, num_labels, random)))


def train_heads(make: Callable[[], Heads], train: Features, rate: float, steps: int, seed: int) -> Heads:
    """AdamW with a cosine schedule; each image is drawn as often."""
    torch.manual_seed(seed)
    heads = make().train()
    decayed = [p for p in heads.parameters() if p.ndim == 2]
    others = [p for p in heads.parameters() if p.ndim != 2]  # biases, norms, anchors
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    warm_up = max(1, round(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        while len(order) < BATCH_SIZE:
            order = torch.cat([order, torch.randperm(len(train.labels))])
        batch, order = train.select(order[:BATCH_SIZE]).float(), order[BATCH_SIZE:]
        loss = heads.loss(batch, step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        heads.between_steps(step + 1, steps, train)
    return heads.eval()


@torch.no_grad()
def measure(heads: Heads, features: Features) -> dict[str, float]:
    """The metrics of `classification_metrics`, and the share of errors among the surest 80 %."""
    found = torch.cat([heads.distribution(part) for part in in_parts(features)])
    risks = risk_coverage_curve(confidence(found), is_correct(found, features.labels))
    return classification_metrics(found, features.labels) | {"risk_at_coverage_80": at_coverage(risks, 0.8)}


def choose_rate(make: Callable[[], Heads], train: Features, rates: list[float], steps: int, seed: int) -> float:
    """The rate after which labels of a fifth of the images, kept out, are got right most often."""
    rows = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(seed))
    held_out, rest = train.select(rows[: len(rows) // 5]), train.select(rows[len(rows) // 5 :])
    return max(rates, key=lambda rate: measure(train_heads(make, rest, rate, steps, seed), held_out)["accuracy"])
