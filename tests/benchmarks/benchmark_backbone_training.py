"""
What a training step of the image backbone costs: as torch has it, with strided depthwise convolutions in float32, with
frozen first stages, and compiled; in turn, in bfloat16.

    PYTHONPATH=train python -m tests.benchmarks.benchmark_backbone_training

Prints images a second (without their augmentation), each by the median of the rounds, and their ratio to the first.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from grefel_hf.model.depthwise import StridedDepthwiseConv2d
from grefel_train.run.build import train_mode
from grefel_train.run.processes import keep_freed_memory
from tests.benchmarks.measuring import positive
from train_backbone import ExpressionClassifier


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=positive, default=128)
    parser.add_argument("--size", type=positive, default=160, help="Side of the faces in pixels.")
    parser.add_argument("--rounds", type=positive, default=7)
    return parser.parse_args()


def classifier(frozen: bool = False, compiled: bool = False, plain: bool = False) -> nn.Module:
    """One that trains: `frozen` with stem and first stage as they are, `plain` with torch's own convolutions."""
    model = ExpressionClassifier(8).to(memory_format=torch.channels_last)
    for part in (model.backbone.stem, model.backbone.stage1):
        part.requires_grad_(not frozen)
    if plain:
        for module in model.modules():
            if isinstance(module, StridedDepthwiseConv2d):
                module.__class__ = nn.Conv2d
    train_mode(model)
    if compiled:
        model.compile()
    return model


def training_step(model: nn.Module, pixel_values: torch.Tensor, targets: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)

    def step():
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(pixel_values)
        nn.functional.cross_entropy(logits.float(), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main(args: argparse.Namespace):
    keep_freed_memory()
    torch.manual_seed(0)
    pixel_values = torch.rand(args.batch_size, 3, args.size, args.size).contiguous(memory_format=torch.channels_last)
    targets = torch.full((args.batch_size, 8), 1 / 8)
    kinds = {
        "torch's own": classifier(plain=True),
        "float32 where strided": classifier(),
        "frozen first stages": classifier(frozen=True),
        "frozen, compiled": classifier(frozen=True, compiled=True),
    }
    steps = {name: training_step(model, pixel_values, targets) for name, model in kinds.items()}
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(args.rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_:  # the first one warms up
                spent[name].append(time.perf_counter() - start)
    rates = {name: args.batch_size / sorted(times)[len(times) // 2] for name, times in spent.items()}
    first = next(iter(rates.values()))
    for name, rate in rates.items():
        print(f"{name:22} {rate:6.1f} images a second, ratio {rate / first:.2f}")


if __name__ == "__main__":
    main(parse_args())
