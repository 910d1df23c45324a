"""
How fast is it? Figures of one run on this machine, as ratios where something is compared.

    python -m tests.benchmarks.benchmark [--sections backbones runtimes ...] [--output FILE.json] [--compare OLD.json]

Sections: `backbones` (the model against its backbones alone), `runtimes` (eager, bf16, ONNX, int8 and compiled
PyTorch at batch 1, 8 and 32), `photo` (the shares of one photo; photos a second), `bulk` (photos a second through
`stream`, against its parts alone), `memory` (peaks), `many` (peaks over `--photos` small ones) and `training` (images a
second, from benchmark_data_pipeline.py). Set GREFEL_YUNET to measure with YuNet; without it photos are searched by HOG.
What is compared takes turns and counts by its median; other programs disturb all the same, so let the machine rest.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import torch

from tests.benchmarks import network_sections, photo_sections
from tests.benchmarks.measuring import positive, print_figures
from tests.helpers import REPOSITORY

SECTIONS = {
    "backbones": lambda args: network_sections.backbones(),
    "runtimes": lambda args: network_sections.runtimes(args.compile),
    "photo": lambda args: photo_sections.photo(args.runtime),
    "bulk": lambda args: photo_sections.bulk(args.runtime),
    "memory": lambda args: photo_sections.memory(args.runtime),
    "many": lambda args: photo_sections.many(args.runtime, args.photos),
    "training": lambda args: training(args.threads),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    add("--output", type=Path, metavar="FILE", help="write the figures as JSON")
    add("--compare", type=Path, metavar="FILE", help="the --output of another run, printed beside this one's")
    add("--threads", type=positive, default=2, help="threads of PyTorch and ONNX Runtime (default: 2)")
    add("--runtime", default="auto", help="of the predictor in photo, bulk, memory and many (default: auto)")
    add("--photos", type=positive, default=10_000, help="of the section `many` (default: 10000)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="time compiled PyTorch, too")
    return parser.parse_args()


def training(threads: int) -> dict[str, float]:
    """Images a second, as benchmark_data_pipeline.py prints them."""
    module = "tests.benchmarks.benchmark_data_pipeline"
    command = [sys.executable, "-m", module, "--rounds", "1", "--batches", "3", "--threads", str(threads)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "train")}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stderr}")
    return {
        f"{name.strip()}: images/s": float(speed)
        for name, speed in re.findall(r"^(.+?) +([\d.]+) images/s", done.stdout, re.M)
    }


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True)
    return done.stdout.strip()


def main():
    args = parse_args()
    old = json.loads(args.compare.read_text())["sections"] if args.compare else None
    torch.set_num_threads(args.threads)
    results = {}
    for section in args.sections:
        results[section] = SECTIONS[section](args)
        print_figures(section, results[section], None if old is None else old.get(section, {}))
    if args.output:
        record = {
            "commit": commit(),
            "machine": platform.processor() or platform.machine(),
            "threads": args.threads,
            "torch": torch.__version__,
            "sections": results,
        }
        args.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
