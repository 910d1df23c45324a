"""
An older commit and this tree, side by side in one run: ratios that another program on the machine cannot bend.

    GREFEL_YUNET=face_detection_yunet_2023mar.onnx python -m tests.benchmarks.benchmark_against --old COMMIT
        [--questions start face detect photo video] [--config train/configs/RECIPE.yaml] [--rounds 10] [--threads 1]

Both take turns, round by round, and what is printed is the median of the ratios within a round, with both medians.
Seconds are those of the processor (all threads), not of the clock, so that the machine may be busy. `--config` names a
recipe whose network, with random weights, is timed as a third one: speed does not depend on the weights.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.helpers import REPOSITORY

WORKER = Path(__file__).with_name("worker.py")
QUESTIONS = ("start", "face", "detect", "photo", "video")
STARTS = {
    "import grefel_hf": ("-c", "import grefel_hf"),
    "python -m grefel_hf --help": ("-m", "grefel_hf", "--help"),
    "python train/train.py --help": ("train/train.py", "--help"),
    "python train/evaluate.py --help": ("train/evaluate.py", "--help"),
    "python -m grefel_hf photo.jpg, not the first time": ("-m", "grefel_hf", "photo.jpg"),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--old", required=True, metavar="COMMIT", help="what to compare with")
    add("--questions", nargs="+", choices=QUESTIONS, default=QUESTIONS, help="default: all")
    add("--config", type=Path, metavar="YAML", help="recipe of a network to time beside the bundled one")
    add("--rounds", type=int, default=10, help="turns of each (default: 10; a third for starts and videos)")
    add("--threads", type=int, default=1, help="of ONNX Runtime (default: 1, so that processor time is time)")
    return parser.parse_args()


class Tree:
    """One tree of the two: programs that start in it, and a worker that has it loaded."""

    def __init__(self, root: Path, home: Path, threads: int):
        self.root, self.worker = root, None
        paths = f"{root}{os.pathsep}{root / 'train'}"
        self.environment = os.environ | {"PYTHONPATH": paths, "HF_HOME": str(home), "OMP_NUM_THREADS": str(threads)}
        self.environment |= {"HF_HUB_OFFLINE": "1"}

    def start(self, *arguments: str) -> float:
        """Processor seconds of a program from its start to its end."""
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.root, env=self.environment, stdout=-3, stderr=-3
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{self.root}: python {' '.join(arguments)} failed")
        return used.ru_utime + used.ru_stime

    def measure(self, what: str) -> float:
        """Processor milliseconds of one thing that the worker can do."""
        if self.worker is None:
            command = [sys.executable, str(WORKER)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self.worker = subprocess.Popen(command, cwd=self.root, env=self.environment, **pipes)
        self.worker.stdin.write(what + "\n")
        self.worker.stdin.flush()
        return json.loads(self.worker.stdout.readline())

    def stop(self):
        if self.worker is not None:
            self.worker.communicate()
            self.worker = None


def print_row(name: str, old: list[float], new: list[float], unit: str):
    ratio = median(b / a for a, b in zip(old, new))
    print(f"| {name} | {median(old):.2f} {unit} | {median(new):.2f} {unit} | {ratio:.2f} |", flush=True)


def compare_starts(old: Tree, new: Tree, photo: Path, rounds: int):
    for name, arguments in STARTS.items():
        arguments = [str(photo) if argument == "photo.jpg" else argument for argument in arguments]
        if "-m" in arguments and "--help" not in arguments:  # graphs are made at the first start
            old.start(*arguments), new.start(*arguments)
        pairs = [(old.start(*arguments), new.start(*arguments)) for _ in range(rounds)]
        print_row(name, *map(list, zip(*pairs)), "s")


def compare(old: Tree, new: Tree, rounds: int, rows: dict[str, tuple[str, str]], unit: str = "ms"):
    """Rows by name: what the worker of each tree does."""
    for first, second in rows.values():
        old.measure(first), new.measure(second)
    for name, (first, second) in rows.items():
        pairs = [(old.measure(first), new.measure(second)) for _ in range(rounds)]
        print_row(name, *map(list, zip(*pairs)), unit)


def main():
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, photo = Path(folder) / "old", Path(folder) / "photo.jpg"
        root.mkdir()
        archive = subprocess.run(["git", "archive", args.old], cwd=REPOSITORY, capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", str(root)], input=archive.stdout, check=True)
        old, new = (Tree(tree, Path(folder) / f"home-{tree.name}", args.threads) for tree in (root, REPOSITORY))
        new.measure(f"save {photo}")
        print(f"| {args.old} against this tree | then | now | now / then |\n|---|---|---|---|")
        if "start" in args.questions:
            compare_starts(old, new, photo, max(1, args.rounds // 3))
        if "face" in args.questions:
            rows = {"a face, the bundled network": ("face", "face")}
            if args.config:
                rows[f"a face, that of {args.config.name}"] = ("face", f"face {args.config.resolve()}")
            compare(old, new, args.rounds, rows)
        if "detect" in args.questions:
            compare(old, new, args.rounds, {"a photo of 640x480 with one face, YuNet alone": ("detect", "detect")})
        if "photo" in args.questions:
            rows = {"the same from its file to results": (f"photo {photo}", f"photo {photo}")}
            compare(old, new, args.rounds, rows)
        if "video" in args.questions:
            compare(old, new, max(1, args.rounds // 3), {"a frame of 640x480 of a video": ("video", "video")})
        old.stop(), new.stop()


if __name__ == "__main__":
    main()
