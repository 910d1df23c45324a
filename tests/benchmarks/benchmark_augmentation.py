"""
Why train/grefel_train/data/augmentation.py is not kornia: the same kinds of steps on the same faces, measured in turn.

    pip install --no-deps kornia==0.9.0 kornia_rs==0.2.0
    PYTHONPATH=train python -m tests.benchmarks.benchmark_augmentation

kornia gets its own way of doing things (one class per step, each with the chance and range that ours has at strength
1). Prints milliseconds per batch and the ratio. It is no dependency of the project.
"""

import argparse
import sys
import time

import torch

from grefel_train.data.augmentation import FaceAugmentation
from tests.benchmarks.measuring import positive

try:
    import kornia.augmentation as kornia
except ImportError:
    sys.exit("This needs kornia: pip install --no-deps kornia==0.9.0 kornia_rs==0.2.0")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=positive, default=64)
    parser.add_argument("--size", type=positive, default=112, help="Side of the faces in pixels.")
    parser.add_argument("--rounds", type=positive, default=10)
    parser.add_argument("--threads", type=positive, default=1, help="What a training step leaves of two cores.")
    return parser.parse_args()


def kornia_steps() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(15, translate=(0.07, 0.07), scale=(0.85, 1.15), padding_mode="border", p=0.9),
        kornia.RandomContrast((0.7, 1.3), p=0.7),
        kornia.RandomBrightness((0.8, 1.2), p=0.7),
        kornia.RandomSaturation((0.5, 1.5), p=0.7),
        kornia.RandomHue((-0.04, 0.04), p=0.7),
        kornia.RandomGrayscale(p=0.1),
        kornia.RandomGaussianBlur((11, 11), (0.2, 2.0), p=0.15),
        kornia.RandomSharpness(1.5, p=0.15),
        kornia.RandomGaussianNoise(0.0, 0.065, p=0.2),
        kornia.RandomJPEG((20, 80), p=0.2),
        kornia.RandomErasing(scale=(0.02, 0.15), ratio=(0.4, 2.5), value=0.5, p=0.3),
    )


def main(args: argparse.Namespace):
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    faces = torch.rand(args.batch_size, 3, args.size, args.size)
    spent: dict[str, list[float]] = {"own": [], "kornia": []}
    for round_ in range(args.rounds + 1):
        for name, augment in (("own", FaceAugmentation(args.size)), ("kornia", kornia_steps())):
            start = time.perf_counter()
            augment(faces)
            if round_:  # the first one warms up
                spent[name].append(time.perf_counter() - start)
    medians = {name: sorted(times)[len(times) // 2] for name, times in spent.items()}
    for name, seconds in medians.items():
        print(f"{name:8} {1000 * seconds:7.1f} ms for {args.batch_size} faces of {args.size} pixels")
    print(f"ratio    {medians['kornia'] / medians['own']:7.1f}")


if __name__ == "__main__":
    main(parse_args())
