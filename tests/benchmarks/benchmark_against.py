"""
An older commit and this tree side by side in one run, each with the checkpoint that it bundles.

    GREFEL_YUNET=face_detection_yunet_2023mar.onnx python -m tests.benchmarks.benchmark_against --old COMMIT
        [--tables start processor clock agreement] [--rounds 10] [--threads 2] [--photos FILE ...]

`start` and `processor` are in seconds of the processor, the latter on one thread: another program on the machine bends
none of it. `clock` has the same rows by the clock, on `--threads`, for a machine at rest. Both trees take turns, round
by round; printed are both medians and the median of the ratios within a round. `agreement` is how far apart the answers
of both are with the network of the old one, on `--photos` (and one that comes with scikit-image) and on a video.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.benchmarks.measuring import positive
from tests.helpers import REPOSITORY

WORKER = Path(__file__).with_name("worker.py")
BUNDLED = Path("grefel_hf/checkpoints/grefel-small")
STARTS = {
    "import grefel_hf": ("-c", "import grefel_hf"),
    "python -m grefel_hf --help": ("-m", "grefel_hf", "--help"),
    "python train/train.py --help": ("train/train.py", "--help"),
    "python train/evaluate.py --help": ("train/evaluate.py", "--help"),
    "python -m grefel_hf photo.jpg, graph kept": ("-m", "grefel_hf", "photo.jpg"),
}
# What workers time, by the name of the row.
ACTIONS = {
    "a face at batch 1": "face",
    "faces of a photo of 640x480, YuNet": "detect",
    "that photo, from pixels to its result": "photo",
    "a frame of a video of 640x480": "video",
}
TABLES = ("start", "processor", "clock", "agreement")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--old", required=True, metavar="COMMIT", help="what to compare with")
    add("--tables", nargs="+", choices=TABLES, default=TABLES, help="default: all")
    add("--rounds", type=positive, default=10, help="turns of each (default: 10; a fifth for starts and videos)")
    add("--threads", type=positive, default=2, help="of what is timed by the clock (default: 2)")
    add("--photos", nargs="*", type=Path, default=[], metavar="FILE", help="on which answers are compared")
    return parser.parse_args()


class Tree:
    """One tree of the two: programs that start in it, and workers that have it loaded, one for a number of threads."""

    def __init__(self, root: Path, home: Path):
        self.root = root
        paths = f"{root}{os.pathsep}{root / 'train'}"
        self.environment = os.environ | {"PYTHONPATH": paths, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
        self.workers: dict[int, subprocess.Popen] = {}

    def start(self, *arguments: str) -> float:
        """Processor seconds of a program from its start to its end."""
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.root, env=self.environment, stdout=-3, stderr=-3
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{self.root}: python {' '.join(arguments)} failed")
        return used.ru_utime + used.ru_stime

    def ask(self, what: str, *arguments: str, threads: int = 1) -> Any:
        """What the worker answers; see its `ANSWERS`."""
        if threads not in self.workers:
            self.workers[threads] = subprocess.Popen(
                [sys.executable, str(WORKER)],
                cwd=self.root,
                env=self.environment | {"OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        worker = self.workers[threads]
        worker.send_signal(signal.SIGCONT)
        worker.stdin.write(json.dumps([what, *arguments]) + "\n")
        worker.stdin.flush()
        answer = json.loads(worker.stdout.readline())
        worker.send_signal(signal.SIGSTOP)  # threads that wait busily would take the other tree's time
        return answer

    def stop(self):
        while self.workers:
            worker = self.workers.popitem()[1]
            worker.send_signal(signal.SIGCONT)
            worker.communicate()


def print_header(title: str, *columns: str):
    print(f"\n| {' | '.join((title, *columns))} |\n|{'---|' * (1 + len(columns))}", flush=True)


def compare(old: Tree, new: Tree, name: str, measure: Callable[[Tree], float], rounds: int, digits: int, rate: bool):
    """
    Print a row.

    Args:
        measure: seconds in one tree; called once before it counts.
        rate: say how many a second that is, too.
    """
    measure(old), measure(new)
    before, after = zip(*((measure(old), measure(new)) for _ in range(rounds)))
    cells = []
    for seconds in (median(before), median(after)):
        text = f"{seconds:.{digits}f} s" if digits < 3 else f"{1000 * seconds:.1f} ms"
        cells.append(text + (f" ({1 / seconds:.1f} a second)" if rate else ""))
    print(f"| {name} | {' | '.join(cells)} | {median(b / a for a, b in zip(before, after)):.2f} |", flush=True)


def compare_starts(old: Tree, new: Tree, photo: Path, rounds: int):
    print_header("to start, processor seconds", "then", "now", "now / then")
    for name, arguments in STARTS.items():
        arguments = [str(photo) if argument == "photo.jpg" else argument for argument in arguments]
        compare(old, new, name, lambda tree, given=arguments: tree.start(*given), max(1, rounds // 5), 2, False)


def compare_times(old: Tree, new: Tree, rounds: int, threads: int, by_clock: bool):
    measured = f"by the clock, {threads} threads" if by_clock else "processor time, one thread"
    print_header(measured, "then", "now", "now / then")
    for name, action in ACTIONS.items():

        def seconds(tree: Tree, action=action) -> float:
            return tree.ask(action, threads=threads if by_clock else 1)["clock" if by_clock else "processor"]

        turns = max(1, rounds // 5) if action == "video" else rounds
        compare(old, new, name, seconds, turns, 3, rate=action in ("photo", "video"))


def compare_answers(old: Tree, new: Tree, photos: list[Path]):
    """How far boxes and distributions are apart, with the network of the old tree in both."""
    network = str(old.root / BUNDLED)
    print_header("answers, the old network in both", "faces", "box, pixels", "probability", "other labels")
    photographed = [tree.ask("photographed", network, *map(str, photos)) for tree in (old, new)]
    filmed = [tree.ask("filmed", network) for tree in (old, new)]
    for name, (before, after) in {f"{len(photos)} photos": photographed, "the frames of a video": filmed}.items():
        if len(before) != len(after):
            print(f"| {name} | {len(before)} then, {len(after)} now | | | |")
            continue
        boxes, values = (np.array([[f[key] for f in found] for found in (before, after)]) for key in ("box", "values"))
        apart = [np.abs(both[0] - both[1]).max(axis=1) for both in (boxes, values)]
        changed = (values[0].argmax(-1) != values[1].argmax(-1)).sum()
        cells = (f"{np.median(one):.3g} (at most {one.max():.3g})" for one in apart)
        print(f"| {name} | {len(before)} | {' | '.join(cells)} | {changed} |", flush=True)


def main():
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, photo = Path(folder) / "old", Path(folder) / "photo.jpg"
        root.mkdir()
        archive = subprocess.run(["git", "archive", args.old], cwd=REPOSITORY, capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", str(root)], input=archive.stdout, check=True)
        old, new = (Tree(tree, Path(folder) / f"home-{tree.name}") for tree in (root, REPOSITORY))
        new.ask("save", str(photo))
        print(f"{args.old} and this tree")
        if "start" in args.tables:
            compare_starts(old, new, photo, args.rounds)
        if "processor" in args.tables:
            compare_times(old, new, args.rounds, args.threads, by_clock=False)
        if "clock" in args.tables:
            compare_times(old, new, args.rounds, args.threads, by_clock=True)
        if "agreement" in args.tables:
            compare_answers(old, new, [photo, *(given.resolve() for given in args.photos)])
        old.stop(), new.stop()


if __name__ == "__main__":
    main()
