"""
Count the parameters and multiply-accumulates of a model, part by part, beside Table 2 of the paper.

    python train/profile_model.py --size base [--json FILE]
    python train/profile_model.py --model DIR_OR_ID [--json FILE]

Counts one image. A multiply-accumulate (MAC) is half of what is called a FLOP where both halves are counted; the
paper's "FLOPs" are MACs. Counted are convolutions, linear layers, attention's products and the anchors' distances, and
not norms, activations and biases. The four rows of Table 2 are this model with its two balancing switches.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from grefel_hf.model.sizes import GREFEL_SIZES

AFFWILD2_CLASSES = 8  # Table 2 was measured on AffWild2


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--size", choices=list(GREFEL_SIZES), help=f"a new model with {AFFWILD2_CLASSES} classes")
    source.add_argument("--model", help="folder or Hub id of a checkpoint")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a JSON file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from grefel_hf import GReFELConfig, GReFELForImageClassification, loading

# Every module of the model belongs to one part.
PARTS = {
    "image backbone": ("grefel.pyramid.image_backbone",),
    "landmark backbone": ("grefel.pyramid.landmark_backbone", "grefel.pyramid.landmark_head"),
    "fusion": (
        "grefel.pyramid.image_projections",
        "grefel.pyramid.landmark_projections",
        "grefel.pyramid.downsamples",
        "grefel.fusions",
    ),
    "ViT": ("grefel.embeddings", "grefel.layers", "grefel.layernorm", "grefel.gate"),
    "primary head": ("primary_head",),
    "anchors": ("anchors",),
    "attentive correction": ("attentive_correction",),
}

# Setup, use_anchors, use_attentive_correction, the paper's parameters in millions and GMACs.
TABLE_2 = (
    ("without reliability balancing", False, False, 43.6, 8.32),
    ("only anchors", True, False, 43.74, 8.36),
    ("only attention", False, True, 43.8, 8.43),
    ("both", True, True, 43.84, 8.51),
)

REASONS = (
    "Parameters without balancing: 43.6 M is what a profiler finds that reads layers and skips tensors which modules "
    "own directly (position tables, CLS and positions, layer scales: 0.13 M), in a network without Eq. 1's w_q "
    "(0.09 M). Counted whole, base has 43.84 M before its head (0.05 M).",
    "Parameters of the balancing: the paper's four counts do not add up. Attention alone adds 0.20 M to 43.6 M, and "
    "so it does here (width 64); anchors add 0.04 M to attention, which is 8 classes x 8 anchors x 768 = 0.05 M here, "
    "but 0.14 M to the model without attention.",
    "MACs without balancing: here attention's products cost 0.16 G, which profilers that read layers do not see, and "
    "w_q 0.01 G. Without both, base has 8.44 G, as POSTER++ (8.4 G in its abstract), whose network this is. The "
    "paper's 8.32 G is less, and it does not say what was counted.",
    "MACs of the balancing: they cannot be reproduced. The paper's anchors cost 0.04 G and its attention 0.11 G, "
    "together 0.19 G. On one embedding an anchor costs one MAC a component (0.00005 G in all) and attention one MAC a "
    "weight (0.0002 G): the printed figures are hundreds of times that. Attention here runs over all tokens of the "
    "image and still costs 0.015 G.",
)


def profile(model: GReFELForImageClassification) -> dict[str, Any]:
    """
    Size and cost of a model for one image.

    Returns:
        `parts`: for each of `PARTS` its `parameters` and `macs`; a part that is switched off has 0. `parameters` and
        `macs`: of the whole model, counted independently of the parts.
    """
    parameters = {part: 0 for part in PARTS}
    for name, parameter in model.named_parameters():
        parameters[part_of(name)] += parameter.numel()
    macs, total = count_macs(model)
    return {
        "parts": {part: {"parameters": parameters[part], "macs": macs[part]} for part in PARTS},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "macs": total,
    }


def part_of(name: str) -> str:
    """The part that a parameter belongs to."""
    for part, modules in PARTS.items():
        if any(name.startswith(f"{module}.") for module in modules):
            return part
    raise ValueError(f"{name} belongs to none of the parts: {', '.join(PARTS)}")


@torch.no_grad()
def count_macs(model: GReFELForImageClassification) -> tuple[dict[str, int], int]:
    """MACs of each part and of all operations of one forward pass with one image."""
    config, parameter = model.config, next(model.parameters())
    shape = (1, config.num_channels, config.image_size, config.image_size)
    pixel_values = torch.zeros(shape, dtype=parameter.dtype, device=parameter.device)
    training = model.training
    counter = FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)
    try:
        with counter:
            model.eval()(pixel_values)
    finally:
        model.train(training)
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    macs = {part: sum(module_flops(model, m, flops) for m in modules) // 2 for part, modules in PARTS.items()}
    total = flops["Global"] // 2
    if model.anchors is not None:
        # A distance is a sum of squared differences, which the counter takes for no product.
        distances = model.anchors.positions.numel()
        macs["anchors"] += distances
        total += distances
    return macs, total


def module_flops(model: nn.Module, name: str, flops: dict[str, int]) -> int:
    """FLOPs of one module, or of those in a list, which is never called itself; 0 for one that is not there."""
    module = dict(model.named_modules()).get(name)
    names = [f"{name}.{child}" for child, _ in module.named_children()] if isinstance(module, nn.ModuleList) else [name]
    return sum(flops.get(f"{type(model).__name__}.{child}", 0) for child in names)


def cpu_attention_flops(query_shape, key_shape, value_shape, *args, out_shape=None, **kwargs) -> int:
    return sdpa_flop_count(query_shape, key_shape, value_shape)


# Fused attention on a CPU is the one attention that PyTorch's counter does not know.
CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: cpu_attention_flops}


def table_2(config: GReFELConfig) -> list[dict[str, Any]]:
    """For each setup of Table 2 this model's `parameters` and `macs`, and the paper's in millions and 10^9."""
    rows = []
    for setup, anchors, attention, millions, gmacs in TABLE_2:
        entries = config.to_dict() | {"use_anchors": anchors, "use_attentive_correction": attention}
        counts = profile(GReFELForImageClassification(GReFELConfig(**entries)))
        del counts["parts"]
        rows.append({"setup": setup, **counts, "paper_parameters_millions": millions, "paper_gmacs": gmacs})
    return rows


def load_model(args: argparse.Namespace) -> GReFELForImageClassification:
    """
    Raises:
        OSError, ValueError: there is no such checkpoint, or it is of another model.
    """
    if not args.model:
        return GReFELForImageClassification(GReFELConfig.from_size(args.size, num_labels=AFFWILD2_CLASSES))
    return loading.load_model(args.model, dtype=torch.float32)


def print_parts(counts: dict[str, Any]):
    print(f"{'':30}{'parameters':>14}{'MACs':>18}")
    for part, values in [*counts["parts"].items(), ("total", counts)]:
        print(f"{part:30}{values['parameters']:14,}{values['macs']:18,}")


def print_table_2(rows: list[dict[str, Any]]):
    """Both counts with what each setup adds to the first, of this model and of the paper's base."""
    print(f"\n{'Table 2':30}{'M parameters':>22}{'paper':>20}{'GMACs':>20}{'paper':>20}")
    first = rows[0]
    for row in rows:
        cells = []
        for key, scale, digits in (("parameters", 1e6, 2), ("macs", 1e9, 3)):
            paper = "paper_parameters_millions" if key == "parameters" else "paper_gmacs"
            cells.append(f"{row[key] / scale:.{digits}f} (+{(row[key] - first[key]) / scale:.{digits}f})")
            cells.append(f"{row[paper]:.2f} (+{row[paper] - first[paper]:.2f})")
        print(f"{row['setup']:30}{cells[0]:>22}{cells[1]:>20}{cells[2]:>20}{cells[3]:>20}")


def main(argv=None):
    args = parse_args(argv)
    try:
        model = load_model(args)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot load {args.model}: {error}")
    counts, rows = profile(model), table_2(model.config)
    size = model.config.image_size
    print(f"{args.model or 'grefel-' + args.size}, one image of {size}x{size}, {model.num_labels} classes\n")
    print_parts(counts)
    print_table_2(rows)
    print("\nWhy the paper's figures, which are of base with 224x224, differ:")
    for reason in REASONS:
        print(f"- {reason}")
    if args.json:
        record = {"model": args.model or args.size, "image_size": size, **counts, "table_2": rows, "reasons": REASONS}
        try:
            args.json.write_text(json.dumps(record, indent=2) + "\n")
        except OSError as error:
            sys.exit(f"{args.json} cannot be written: {error}")


if __name__ == "__main__":
    main()
