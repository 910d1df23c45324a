"""
Peers that install from a registry, and this package: the same photos and cores, in turns of one run, by the clock.

    GREFEL_YUNET=face_detection_yunet_2023mar.onnx python -m tests.benchmarks.benchmark_peers
        [--fer ENV/bin/python] [--face_api FOLDER] [--photos FILE ...] [--rounds 10] [--threads 2]

Each peer lives in an environment of its own. `fer` (PyPI; with --no-deps, as it asks for what it does not use here):

    python -m venv ENV
    ENV/bin/pip install tensorflow-cpu "opencv-python-headless<5" pandas requests tqdm "moviepy<2" "setuptools<81"
    ENV/bin/pip install --no-deps fer

`@vladmandic/face-api` (npm), on WebAssembly, as TensorFlow's own library does not come from the registry:

    cd FOLDER && npm install @vladmandic/face-api @tensorflow/tfjs @tensorflow/tfjs-backend-wasm

A photo is timed from decoded pixels to the distributions of its faces; it is one with one face that comes with
scikit-image, and `--photos`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from grefel_hf.faces.photos import load_photo
from tests.benchmarks.measuring import positive
from tests.benchmarks.worker import photo_640
from tests.helpers import REPOSITORY

PEERS = Path(__file__).with_name("peers")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--fer", metavar="PYTHON", help="the Python of an environment that has fer")
    add("--face_api", metavar="FOLDER", help="where face-api was installed")
    add("--photos", nargs="*", type=Path, default=[], metavar="FILE", help="besides the one of scikit-image")
    add("--rounds", type=positive, default=10, help="turns of each (default: 10)")
    add("--threads", type=positive, default=2, help="of those that take a number of threads (default: 2)")
    return parser.parse_args()


def commands(args: argparse.Namespace) -> dict[str, list[str]]:
    """Programs that read lines `FILE WIDTH HEIGHT` of raw RGB and answer each with the number of faces."""
    found = {"grefel-hf, YuNet": [sys.executable, str(PEERS / "grefel.py")]}
    if args.fer:
        found["fer, Haar cascades (its default)"] = [args.fer, str(PEERS / "fer_worker.py")]
    if args.face_api:
        node = ["node", str(PEERS / "face_api.js"), args.face_api]
        found |= {f"face-api, {detector}": [*node, detector] for detector in ("tinyFaceDetector", "ssdMobilenetv1")}
    return found


class Peer:
    def __init__(self, command: list[str], threads: int):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(REPOSITORY)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, **pipes)

    def answer(self, line: str) -> tuple[float, int]:
        """Seconds and faces of a photo."""
        start = time.perf_counter()
        self.process.stdin.write(line)
        self.process.stdin.flush()
        faces = self.process.stdout.readline()
        if not faces:
            raise SystemExit(f"{' '.join(map(str, self.process.args))} ended: run it by hand")
        return time.perf_counter() - start, int(faces)


def main():
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, photo in enumerate((photo_640(), *map(load_photo, args.photos))):
            file = Path(folder) / f"{number}.rgb"
            file.write_bytes(photo.tobytes())
            lines.append(f"{file} {photo.width} {photo.height}\n")
        peers = {name: Peer(command, args.threads) for name, command in commands(args).items()}
        faces = {name: [peer.answer(line)[1] for line in lines] for name, peer in peers.items()}
        times = {name: [] for name in peers}
        for _ in range(args.rounds):
            for name, peer in peers.items():
                times[name].append([peer.answer(line)[0] for line in lines])
        for peer in peers.values():
            peer.process.communicate()
    print_table("a photo of 640x480 with one face", times, faces, slice(1))
    if args.photos:
        print_table(f"{len(args.photos)} other photos, together", times, faces, slice(1, None))


def print_table(title: str, times: dict[str, list[list[float]]], faces: dict[str, list[int]], photos: slice):
    """
    Args:
        times: of each peer seconds by round and photo; this package comes first.
        faces: of each peer those it found, by photo.
    """
    print(f"\n| {title} | median | of grefel-hf's time | faces |\n|---|---|---|---|")
    sums = {name: [sum(seconds[photos]) for seconds in rounds] for name, rounds in times.items()}
    ours = next(iter(sums.values()))
    for name, own in sums.items():
        ratio = median(a / b for a, b in zip(own, ours))
        print(f"| {name} | {1000 * median(own):.1f} ms | {ratio:.2f} | {sum(faces[name][photos])} |")


if __name__ == "__main__":
    main()
