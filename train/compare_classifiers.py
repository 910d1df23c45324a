"""
Compare classifiers of train_backbone.py on validation images and on those that training never saw.

    python train/compare_classifiers.py --dataset_dir FERPLUS --calibration_fraction 0.05 \\
        runs/teachers/seed-*/classifier.safetensors runs/backbone/classifier.safetensors --output OUT.json

Each by itself and, with several, the mean of their distributions ("together"); by one view and with its mirror image.
The images that training never saw are those of the training split that --calibration_fraction keeps out, as in the
classifiers' own runs; of the ones where a class has most of the votes, `divergence` is the mean Kullback-Leibler
divergence from the votes, in nats, with one temperature for all images that makes it least.
"""

import argparse
import json
import sys
from pathlib import Path

from grefel_train.data.arguments import add_data_arguments
from grefel_train.flags import FlagParser


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    parser.add_argument("classifiers", nargs="+", metavar="FILE", help="classifier.safetensors of train_backbone.py.")
    parser.add_argument("--image_size", type=int, default=160, help="Side of the crops in pixels.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Where the figures go as JSON.")
    add_data_arguments(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
from safetensors import SafetensorError

from grefel_hf import GReFELImageProcessor
from grefel_hf.files import write_text
from grefel_hf.model.losses import as_distribution
from grefel_train.data.dataset import FaceDataset
from grefel_train.data.loading import load_face_data
from grefel_train.data.splits import training_target_column
from grefel_train.evaluation.forward import concatenated, forward_batches
from grefel_train.evaluation.metrics import classification_metrics
from grefel_train.run.log import rounded
from grefel_train.run.processes import keep_freed_memory
from grefel_train.run.teachers import ExpressionClassifier, load_classifier

TEMPERATURES = torch.arange(0.4, 1.6, 0.02)


def ask(networks: dict[str, ExpressionClassifier], split, size: int, title: str) -> dict[str, torch.Tensor]:
    """By each network's name the distributions (2, M, N) of a split's images and of their mirror images; `labels`."""
    processor = GReFELImageProcessor(do_grayscale=True)
    loader = torch.utils.data.DataLoader(FaceDataset(split, processor, training_target_column(split), size=size), 64)

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        views = [pixel_values, pixel_values.flip(-1)]
        with torch.inference_mode():
            return {
                name: torch.stack([net(view.contiguous(memory_format=torch.channels_last)) for view in views], 1)
                for name, net in networks.items()
            }

    found = concatenated(forward_batches(answers, loader, processor, title=title))
    return {name: values if name == "labels" else values.softmax(-1).transpose(0, 1) for name, values in found.items()}


def divergence(distributions: torch.Tensor, votes: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence of distributions (M, N) from the votes (M, N), at the best temperature."""
    logs = distributions.clamp_min(1e-9).log()
    entropy = torch.special.entr(votes).sum(-1)
    return min((-(votes * (logs / t).log_softmax(-1)).sum(-1) - entropy).mean().item() for t in TEMPERATURES)


def measure(views: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Of distributions (2, M, N) of images and their mirror images; labels are class ids (M,) or votes (M, N)."""
    votes = as_distribution(labels, views.shape[-1])
    clear = votes.amax(-1) > 0.5
    single, classes = views[0][clear], votes[clear].argmax(-1)
    figures = classification_metrics(single, classes)
    both = classification_metrics(views.mean(0)[clear], classes)
    figures |= {"mirrored_accuracy": both["accuracy"], "mirrored_macro_recall": both["macro_recall"]}
    if labels.ndim == 2:
        figures["divergence"] = divergence(single, votes[clear])
    return figures


def main(args: argparse.Namespace):
    keep_freed_memory()
    try:
        data = load_face_data(args)
        networks = {file: load_classifier(file, data.label_names) for file in args.classifiers}
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        sys.exit(f"Cannot compare: {error}")
    splits = {"validation": data.validation, "kept_out": data.calibration}
    report = {}
    for title, split in splits.items():
        if split is None:
            continue
        found = ask(networks, split, args.image_size, title)
        if len(networks) > 1:
            found["together"] = torch.stack([found[name] for name in networks]).mean(0)
        labels = found.pop("labels")
        report[title] = {name: rounded(measure(views, labels)) for name, views in found.items()}
    text = json.dumps(report, indent=2)
    print(text)
    if args.output:
        write_text(args.output, text + "\n")


if __name__ == "__main__":
    main(parse_args())
