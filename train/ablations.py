"""
Repeat the paper's ablations, one training per arm and seed, and make one table of all.

    python train/ablations.py --config train/configs/ablation.yaml --dataset_dir FERPLUS --output_dir runs/ablations

Runs of `accelerate launch train/train.py`, one after another, each into OUT/ARM/seed-N; a finished one is not run
again, an interrupted one goes on from its last checkpoint. After each, OUT/ablations.json and OUT/ablations.md have
the table so far: mean and standard deviation over seeds, of the last epoch's averaged weights (the best epoch would be
chosen by the very images it is measured on). Flags that this script does not know go to train.py.

    python train/ablations.py --cached_features runs/features --config train/configs/finetune.yaml \
        --dataset_dir FERPLUS --output_dir runs/laboratory

trains heads only, on features that are computed once, in minutes: those of the encoder of --model_name_or_path, or of
the --image_backbone alone. OUT/laboratory.json has every figure, OUT/laboratory.md the tables; runs that are there are
not run again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grefel_hf.files import write_text
from grefel_hf.results import ANSWERS
from grefel_train.flags import at_least

TRAIN = Path(__file__).parent / "train.py"
NO_ANCHORS = ("--model.use_anchors", "false", "--model.geometric_loss_weight", "0")
NO_ATTENTION = ("--model.use_attentive_correction", "false")
# Without balancing the primary distribution is the answer: a second loss would weigh the answer more than elsewhere.
ONE_LOSS = ("--model.primary_loss_weight", "0")
LOSS_NAMES = ("classification", "anchor", "center")
NOISE = ("--label_noise", "0.2")


@dataclass(frozen=True)
class Arm:
    """One line of a table: what it is called and which flags make it."""

    key: str
    title: str
    flags: tuple[str, ...] = ()


def loss_flags(*kept: str) -> tuple[str, ...]:
    """Weight 0 for the terms of Eq. 23 that are not kept, and for the auxiliary ones, which are not the paper's."""
    flags = ["--model.primary_loss_weight", "0", "--model.geometric_loss_weight", "0"]
    for name in LOSS_NAMES:
        if name not in kept:
            flags += [f"--model.{name}_loss_weight", "0"]
    return tuple(flags)


BALANCING = (
    Arm("without", "Without reliability balancing", (*NO_ANCHORS, *NO_ATTENTION, *ONE_LOSS)),
    Arm("anchors", "Only anchors", NO_ATTENTION),
    Arm("attention", "Only attentive correction", NO_ANCHORS),
    Arm("both", "Both"),
)
TABLES = {
    "balancing": BALANCING,  # the paper's Table 2
    "losses": (  # its Table 3
        Arm("cls", "L_cls", loss_flags("classification")),
        Arm("a", "L_a", loss_flags("anchor")),
        Arm("c", "L_c", loss_flags("center")),
        Arm("cls_a", "L_cls + L_a", loss_flags("classification", "anchor")),
        Arm("all", "L_cls + L_a + L_c", loss_flags(*LOSS_NAMES)),
    ),
    "noise": tuple(  # not in the paper, which claims most for wrong labels: a fifth of them is wrong
        Arm(f"noisy_{arm.key}", f"{arm.title}, 20 % of the labels flipped", (*arm.flags, *NOISE))
        for arm in (BALANCING[0], BALANCING[-1])
    ),
}
FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "expected_calibration_error": "calibration error",
}


def parse_args(argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--config", required=True, help="recipe that all arms share")
    add("--output_dir", type=Path, required=True)
    add("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    add("--seeds", nargs="+", type=at_least(0, int), default=[0, 1, 2], help="of the table `balancing`")
    add("--other_seeds", nargs="+", type=at_least(0, int), default=[0], help="of the tables `losses` and `noise`")
    add("--cached_features", type=Path, metavar="FOLDER", help="train heads only, on features that this folder keeps")
    add("--heads", nargs="+", help="lines of the laboratory's table (grefel_train/laboratory/arms.py); default: all")
    add(
        "--images",
        nargs="+",
        type=at_least(0, int),
        default=[800, 2000, 0],
        help="training images of a laboratory; 0: all",
    )
    noise = "wrong labels in the laboratory: shares, or confused-SHARE, or tagger (grefel_train/laboratory/noise.py)"
    add("--noise", nargs="+", default=["0", "0.2", "0.4"], help=noise)
    add("--rates", nargs="+", type=at_least(0, float), default=[1e-3, 3e-3], help="rates that each head chooses among")
    add("--steps", type=at_least(1, int), default=400, help="of each training in the laboratory, with 64 images each")
    keys = [arm.key for arms in TABLES.values() for arm in arms]
    add("--arms", nargs="+", choices=keys, default=keys, help="train and list only these lines of the tables")
    return parser.parse_known_args(argv)


def run_arm(arm: Arm, seed: int, args: argparse.Namespace, flags: list[str]) -> Path:
    """
    Train one arm, unless that is done.

    Raises:
        SystemExit: the training failed; what it said is above.
    """
    folder = args.output_dir / arm.key / f"seed-{seed}"
    if not (folder / "all_results.json").exists():
        print(f"{arm.title}, seed {seed}", flush=True)
        command = [sys.executable, "-m", "accelerate.commands.launch", str(TRAIN), "--config", args.config]
        command += ["--output_dir", str(folder), "--seed", str(seed), "--resume_from_checkpoint", "latest"]
        done = subprocess.run([*command, *flags, *arm.flags])
        if done.returncode:
            sys.exit(f"{arm.key}, seed {seed}, failed. The same command goes on from here once the cause is mended.")
    return folder


def last_measured(folder: Path) -> dict:
    """The last evaluation in a run's log."""
    entries = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if "corrected" in entry][-1]


def summarize(folders: list[Path]) -> dict:
    """Figures of one arm over its seeds: every value, mean and standard deviation (None for a single seed)."""
    from grefel_hf import GReFELForImageClassification
    from profile_model import profile

    measured = [last_measured(folder) for folder in folders]
    summary = {"samples": measured[0]["corrected"]["samples"]}
    for branch in ANSWERS:
        summary[branch] = {}
        for figure in FIGURES:
            values = [entry[branch][figure] for entry in measured]
            spread = statistics.stdev(values) if len(values) > 1 else None
            summary[branch][figure] = {"values": values, "mean": statistics.mean(values), "deviation": spread}
    results = [json.loads((folder / "all_results.json").read_text()) for folder in folders]
    summary["seconds"] = [result["seconds"] for result in results]
    summary["commits"] = sorted({result["commit"] for result in results})
    totals = profile(GReFELForImageClassification.from_pretrained(folders[0] / "best"))
    return summary | {"parameters": totals["parameters"], "macs": totals["macs"]}


def to_markdown(tables: dict[str, dict[str, dict]]) -> str:
    """One Markdown table per ablation, with figures of the corrected distribution unless they say otherwise."""
    lines = []
    for name, rows in tables.items():
        columns = ["setup", "seeds", *FIGURES.values(), "primary's accuracy", "parameters", "MACs"]
        lines += [f"### {name}", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        for row in rows.values():
            cells = [row["title"], ", ".join(map(str, row["seeds"]))]
            cells += [in_words(row["corrected"][figure], figure) for figure in FIGURES]
            cells += [in_words(row["primary"]["accuracy"], "accuracy")]
            cells += [f"{row['parameters'] / 1e6:.3f} M", f"{row['macs'] / 1e6:.1f} M"]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def in_words(value: dict, figure: str) -> str:
    """Mean and deviation of a figure; accuracy in percent."""
    scale, digits, unit = (100, 2, " %") if figure == "accuracy" else (1, 3, "")
    around = "" if value["deviation"] is None else f" ± {value['deviation'] * scale:.{digits}f}"
    return f"{value['mean'] * scale:.{digits}f}{around}{unit}"


def laboratory(args: argparse.Namespace, flags: list[str]):
    """Heads on stored features: OUT/laboratory.json and OUT/laboratory.md."""
    import torch

    from grefel_train.data.loading import load_face_data
    from grefel_train.laboratory.arms import ARMS
    from grefel_train.laboratory.features import stored_features
    from grefel_train.laboratory.noise import Noise
    from grefel_train.laboratory.table import Plan, run_plan
    from grefel_train.laboratory.table import to_markdown as laboratory_table
    from grefel_train.run.arguments import build_parser
    from grefel_train.run.build import build_config, build_model, build_processor
    from grefel_train.run.processes import keep_freed_memory
    from grefel_train.run.recipe import parse_with_recipe

    keep_freed_memory()
    heads = args.heads or list(ARMS)
    if unknown := set(heads) - set(ARMS):
        sys.exit(f"--heads {' '.join(sorted(unknown))}: choose among {', '.join(ARMS)}.")
    try:
        noise = [Noise.parse(text) for text in args.noise]
    except ValueError as error:
        sys.exit(str(error))
    words = ["--config", args.config, "--output_dir", str(args.output_dir), *flags]
    recipe = parse_with_recipe(build_parser(__doc__), words)
    try:
        data = load_face_data(recipe, label_map=recipe.label_map)
        if data.validation is None:
            raise ValueError("there are no validation images: see --validation_fraction.")
        config = build_config(recipe, data.label_names, None)
        torch.manual_seed(recipe.seed)  # of parts that no file fills
        model, processor = build_model(recipe, config).eval(), build_processor(recipe, config)
        train, validation = (
            stored_features(
                file, split, model, processor, not recipe.model_name_or_path, "eac" in heads and split is data.train
            )
            for file, split in (
                (args.cached_features / "train.safetensors", data.train),
                (args.cached_features / "validation.safetensors", data.validation),
            )
        )
        plan = Plan(heads, args.images, noise, args.seeds, args.rates, args.steps)
        found = run_plan(plan, train, validation, config, args.output_dir / "laboratory.json")
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot compare heads: {error}")
    table = laboratory_table(plan, found, len(train.labels))
    write_text(args.output_dir / "laboratory.md", table)
    print(table)


def main(args: argparse.Namespace, flags: list[str]):
    args.output_dir.mkdir(parents=True, exist_ok=True)
    if args.cached_features:
        return laboratory(args, flags)
    tables: dict[str, dict[str, dict]] = {}
    for name in args.tables:
        seeds = args.seeds if name == "balancing" else args.other_seeds
        for arm in (arm for arm in TABLES[name] if arm.key in args.arms):
            folders = [run_arm(arm, seed, args, flags) for seed in seeds]
            row = {"title": arm.title, "seeds": seeds, "flags": list(arm.flags), **summarize(folders)}
            tables.setdefault(name, {})[arm.key] = row
            write_text(args.output_dir / "ablations.json", json.dumps(tables, indent=2) + "\n")
            write_text(args.output_dir / "ablations.md", to_markdown(tables))
    print(to_markdown(tables))


if __name__ == "__main__":
    main(*parse_args())
