"""
How well the audit finds labels that were made wrong, beside confident learning and plain loss ranking.

    PYTHONPATH=train python -m tests.benchmarks.benchmark_audit --dataset_dir FERPLUS

Labels of FER+ validation (majority protocol) are flipped to another class at random. The images are those of validation
because the bundled network has seen those of train with their labels. All rankings but those that say so go by the same
out-of-fold distributions of a light head on the frozen network.
"""

import argparse

import numpy as np
from accelerate import Accelerator
from sklearn.metrics import average_precision_score

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.loading import load_checkpoint
from grefel_train.audit.duplicates import find_pairs, groups_of
from grefel_train.audit.folds import choose_strength, fold_numbers, out_of_fold
from grefel_train.audit.noise import blended, posterior
from grefel_train.audit.observations import Observations, observe
from grefel_train.data.adapters.ferplus import EMOTIONS, load_ferplus
from grefel_train.data.splits import class_ids
from grefel_train.laboratory.noise import wrong_labels


def doubt(distributions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Plain loss ranking: how unlikely the given label is, (M,)."""
    return 1 - distributions[np.arange(len(labels)), labels]


def confident_learning(distributions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """
    Northcutt, Jiang and Chuang, "Confident Learning" (JAIR 2021, section 3): an image counts as one of class j where
    its probability of j is at least the mean one of the images labelled j (the likeliest such class, if several). Those
    off the diagonal of this confident joint come first, ranked by self-confidence; then the others.

    Returns:
        (M,) the more, the earlier.
    """
    classes = range(distributions.shape[1])
    means = [distributions[labels == j, j].mean() if (labels == j).any() else np.inf for j in classes]
    confident = distributions >= np.array(means)
    found = np.where(confident.any(1), np.where(confident, distributions, -1).argmax(1), labels)
    return doubt(distributions, labels) + (found != labels)


def rankings(seen: Observations, labels: np.ndarray, groups: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """How each way doubts each label, (M,) by its name."""
    count = len(EMOTIONS)
    folds = fold_numbers(labels, groups, seed)
    expected = out_of_fold(seen.features, labels, folds, count, choose_strength(seen.features, labels, folds, count))
    both = blended(expected, seen.corrected)
    return {
        "loss": doubt(expected, labels),
        "confident learning": confident_learning(expected, labels),
        "loss, corrected distribution alone": doubt(seen.corrected, labels),
        "confident learning, as audit.py blends": confident_learning(both, labels),
        "audit.py": doubt(posterior(expected, seen.corrected, labels), labels),
    }


def figures(scores: np.ndarray, flipped: np.ndarray) -> dict[str, float]:
    """Average precision, and precision and recall among the first N; F labels (M,) bool are flipped."""
    order, total = np.argsort(-scores, kind="stable"), flipped.sum()
    hits = flipped[order].cumsum()
    return {
        "average precision": average_precision_score(flipped, scores),
        "precision, N = F/2": hits[total // 2 - 1] / (total // 2),
        "precision = recall, N = F": hits[total - 1] / total,
        "recall, N = 2F": hits[2 * total - 1] / total,
    }


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True, help="The folder of FER+.")
    parser.add_argument("--model", default=str(BUNDLED_CHECKPOINT))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.1])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.set_defaults(batch_size=64, num_workers=0, on_bad_image="error")
    return parser.parse_args()


def main(args: argparse.Namespace):
    accelerator = Accelerator()
    model, processor = load_checkpoint(args.model)
    data = load_ferplus(args.dataset_dir, "validation", "majority")
    seen = observe(model.to(accelerator.device), processor, data, EMOTIONS, args, accelerator)
    clean = np.asarray(class_ids(data))[seen.positions]
    groups = groups_of(find_pairs(seen.digests, seen.pictures), np.full(len(clean), -1))
    print(f"{len(clean)} images, seeds {', '.join(map(str, args.seeds))}; mean and standard deviation over seeds\n")
    for share in args.shares:
        found: dict[str, list[dict[str, float]]] = {}
        for seed in args.seeds:
            labels, flipped = wrong_labels(clean, share, len(EMOTIONS), np.random.default_rng(seed))
            for name, scores in rankings(seen, labels, groups, seed).items():
                found.setdefault(name, []).append(figures(scores, flipped))
        names = list(found["loss"][0])
        print(f"| {share:.0%} flipped (F = {flipped.sum()}) | " + " | ".join(names) + " |")
        print("|---" * (len(names) + 1) + "|")
        for name, rows in found.items():
            values = [[row[figure] for row in rows] for figure in names]
            print(f"| {name} | " + " | ".join(f"{np.mean(v):.3f} ± {np.std(v, ddof=1):.3f}" for v in values) + " |")
        print(flush=True)


if __name__ == "__main__":
    main(parse_args())
