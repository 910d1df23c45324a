"""
Fit what a checkpoint says of its own certainty, reliability.json, on images that training never saw.

    python train/fit_reliability.py --model runs/final --calibration_fraction 0.05 DATA_FLAGS

with the data flags of the run, as for train/calibrate.py, after which it belongs: another network needs another file.
In the folder of the model reliability.json then holds the share of right answers by confidence, thresholds of
prediction sets, and a score that tells faces that can be read from other crops. train/evaluate.py checks all of it on
the validation split, which is not used here. docs/reliability.md explains.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.flags import FlagParser

HALVES = 2  # of the kept-out images


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="folder of a calibrated model, which gets reliability.json")
    add("--runtime", default="auto", help="what runs the network: auto, torch, compile or onnx (default: auto)")
    add("--disturbed", type=int, default=40, metavar="N", help="kept-out images for each of 50 disturbances")
    add("--no_faces", type=int, default=200, metavar="N", help="crops of each kind without a face")
    add("--seed", type=int, default=0)
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    args = parser.parse_args(argv)
    for name in ("disturbed", "no_faces"):
        if getattr(args, name) < HALVES:
            parser.error(f"--{name} must be at least {HALVES}.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
from datasets import Dataset
from PIL import Image
from PIL.Image import Resampling

from grefel_hf.loading import load_checkpoint
from grefel_hf.reliability import AccuracyMap, Answerability, Reliability, write_reliability
from grefel_hf.runtime.networks import create_network
from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.adapters.ferplus import unreadable_images
from grefel_train.data.kept_out import load_kept_out
from grefel_train.data.sources import dataset_format
from grefel_train.data.splits import class_ids
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.accuracy_map import LEAST_ANSWERS, fit_accuracy_map, fit_class_maps
from grefel_train.reliability.answerability import fit_answerability, readable, scores, with_threshold
from grefel_train.reliability.no_faces import no_faces, photos_of_things
from grefel_train.reliability.seen import Seen, crops_of, joined, look
from grefel_train.reliability.sets import choose_method, fit_sets
from grefel_train.run.log import rounded


def clear_rows(data: Dataset) -> np.ndarray:
    """Rows whose label is one class, or has most of the votes: elsewhere there is no answer to be right about."""
    if "distribution" not in data.column_names:
        return np.arange(len(data))
    return np.flatnonzero(np.asarray(read_column(data, "distribution").to_pylist()).max(-1) > 0.5)


def disturbed(
    faces: list[Image.Image], side: int, count: int, seed: int
) -> tuple[Iterator[Image.Image], np.ndarray, list[tuple[str, int]]]:
    """
    `count` faces, drawn anew, of each disturbance: the crops, (50 * count,) numbers of the faces, and each one's kind
    and severity.

    Args:
        side: of the crops when they are disturbed: that of what the network sees, as in evaluation.
    """
    random = np.random.default_rng(seed)
    conditions = [(kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES for _ in range(count)]
    rows = random.integers(len(faces), size=len(conditions))

    def crops() -> Iterator[Image.Image]:
        for row, (kind, severity) in zip(rows, conditions):
            function, strengths = CORRUPTIONS[kind]
            yield function(faces[row].resize((side, side), Resampling.BILINEAR), strengths[severity - 1], random)

    return crops(), rows, conditions


@dataclass(frozen=True)
class Material:
    """
    What the network said, of the kept-out images of one half: `faces` with their `labels`, `disturbed` ones with
    whether they were `right` and their `conditions`, crops of `no_faces` by kind, and faces that nobody can read.
    """

    faces: Seen
    labels: np.ndarray
    disturbed: Seen
    right: np.ndarray
    conditions: list[tuple[str, int]]
    no_faces: dict[str, Seen]
    unreadable: Seen | None


def gather(
    see: Callable[[Iterable[Image.Image], str], Seen],
    faces: list[Image.Image],
    labels: np.ndarray,
    unreadable: list[Image.Image],
    side: int,
    args: argparse.Namespace,
    seed: int,
) -> Material:
    """`see`: the network over crops, with a title; `side`: of the crops that it sees."""
    crops, rows, conditions = disturbed(faces, side, args.disturbed // HALVES, seed)
    seen = see(crops, "disturbed faces")
    made = no_faces(faces, args.no_faces // HALVES, seed, photos_of_things())
    return Material(
        faces=see(faces, "kept-out faces"),
        labels=labels,
        disturbed=seen,
        right=seen.answers == labels[rows],
        conditions=conditions,
        no_faces={kind: see(some, f"crops without a face ({kind})") for kind, some in made.items()},
        unreadable=see(unreadable, "faces that nobody can read") if unreadable else None,
    )


def fit(args: argparse.Namespace) -> tuple[Reliability, dict[str, Any]]:
    """
    What goes into the file, and how it was fitted.

    Raises:
        OSError, ValueError: the model or the data cannot be read, or training has seen these images.
    """
    model, processor = load_checkpoint(args.model)
    data = load_kept_out(args)
    rows = np.random.default_rng(args.seed).permutation(clear_rows(data))
    if len(rows) < 2 * HALVES:
        raise ValueError(f"{len(rows)} images were kept out of training: there have to be {2 * HALVES} at least.")
    faces, labels = list(crops_of(data.select(rows))), class_ids(data)[rows]
    unreadable = unreadable_faces(args)
    see = partial(look, create_network(model, args.runtime), processor)
    side = processor.size["height"]
    halves = [
        gather(see, faces[half::HALVES], labels[half::HALVES], unreadable[half::HALVES], side, args, args.seed + half)
        for half in range(HALVES)
    ]
    names = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
    return fit_to(halves, names, args.seed)


def fit_to(halves: Sequence[Material], names: tuple[str, ...], seed: int) -> tuple[Reliability, dict[str, Any]]:
    """The first half trains the score of answerability, the second sets its thresholds; the rest comes from both."""
    first, second = halves
    clean, labels = joined([half.faces for half in halves]), np.concatenate([half.labels for half in halves])
    poor, right = joined([half.disturbed for half in halves]), np.concatenate([half.right for half in halves])
    conditions = [condition for half in halves for condition in half.conditions]
    can_be_read = readable(right, conditions)

    judged = np.array([can_be_read[condition] for condition in first.conditions])
    others = [*first.no_faces.values(), first.disturbed.select(judged == False)]  # noqa: E712 (None is neither)
    head = fit_answerability(
        joined([first.faces, first.disturbed.select(judged == True)]),  # noqa: E712
        joined(others if first.unreadable is None else [*others, first.unreadable]),
        seed,
    )
    head = with_threshold(head, second.faces, joined(list(second.no_faces.values())))

    confidence, correct = clean.confidences["corrected"], clean.answers == labels
    method, tried = choose_method(clean.distributions, labels)
    reliability = Reliability(
        labels=names,
        accuracy=fit_accuracy_map(confidence, correct),
        accuracy_by_class=fit_class_maps(confidence, correct, clean.answers, names),
        accuracy_of_poor=fit_poor_map(head, joined([clean, poor]), np.concatenate([correct, right])),
        method=method,
        thresholds=fit_sets(clean.distributions, labels, method),
        answerability=head,
    )
    answered = {"faces": second.faces} | second.no_faces
    if second.unreadable is not None:
        answered["unreadable"] = second.unreadable
    measured = {
        "kept_out_faces": len(labels),
        "accuracy": float(correct.mean()),
        "sets_by_cross_validation": tried,
        "disturbances_that_make_unreadable": [
            f"{kind} {severity}" for (kind, severity), can in can_be_read.items() if can is False
        ],
        "answered": {kind: float((scores(head, seen) >= head.threshold).mean()) for kind, seen in answered.items()},
    }
    return reliability, measured


def unreadable_faces(args: argparse.Namespace) -> list[Image.Image]:
    """Training images of FER+ whose taggers said "unknown" or "not a face", which no run trains on; of others none."""
    if not (args.dataset_dir and dataset_format(args) == "ferplus"):
        return []
    return list(crops_of(unreadable_images(args.dataset_dir, args.train_split)))


def fit_poor_map(head: Answerability, seen: Seen, correct: np.ndarray) -> AccuracyMap | None:
    """Of what is answered and yet a poor picture; None where there are too few."""
    found = scores(head, seen)
    poor = (found >= head.threshold) & (found < head.clear_from)
    if poor.sum() < LEAST_ANSWERS:
        return None
    return fit_accuracy_map(seen.confidences["corrected"][poor], correct[poor])


def main(args: argparse.Namespace):
    try:
        reliability, measured = fit(args)
        measured = rounded(measured)
        write_reliability(args.model, reliability, measured)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot fit the reliability of {args.model}: {error}")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main(parse_args())
