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
from grefel_train.flags import FlagParser, at_least

FOLDS = 4  # of the kept-out images: each is judged by a score that was fitted to the others


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="folder of a calibrated model, which gets reliability.json")
    add("--runtime", default="auto", help="what runs the network: auto, torch, compile or onnx (default: auto)")
    add("--disturbed", type=at_least(FOLDS, int), default=40, metavar="N", help="kept-out images for each disturbance")
    add("--no_faces", type=at_least(FOLDS, int), default=400, metavar="N", help="crops of each kind without a face")
    add("--seed", type=at_least(0, int), default=0)
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    return parser.parse_args(argv)


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
from grefel_train.data.class_names import class_names
from grefel_train.data.kept_out import load_kept_out
from grefel_train.data.sources import dataset_format
from grefel_train.data.splits import class_ids
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.accuracy_map import LEAST_ANSWERS, fit_accuracy_map, fit_class_maps
from grefel_train.reliability.answerability import DISTURBED_WEIGHT, fit_answerability, readable, with_threshold
from grefel_train.reliability.practice import practice
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
    What the network said, of the kept-out images of one fold: `faces` with their `labels`, `disturbed` ones with
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
    crops, rows, conditions = disturbed(faces, side, args.disturbed // FOLDS, seed)
    seen = see(crops, "disturbed faces")
    made = practice(faces, args.no_faces // FOLDS, seed)
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
    names = class_names(model.config)
    data = load_kept_out(args, names).calibration
    rows = np.random.default_rng(args.seed).permutation(clear_rows(data))
    if len(rows) < 2 * FOLDS:
        raise ValueError(f"{len(rows)} images were kept out of training: there have to be {2 * FOLDS} at least.")
    faces, labels = list(crops_of(data.select(rows))), class_ids(data)[rows]
    unreadable = unreadable_faces(args)
    see = partial(look, create_network(model, args.runtime), processor)
    side = processor.size["height"]
    folds = [
        gather(see, faces[fold::FOLDS], labels[fold::FOLDS], unreadable[fold::FOLDS], side, args, args.seed + fold)
        for fold in range(FOLDS)
    ]
    return fit_to(folds, names)


def fit_to(folds: Sequence[Material], names: tuple[str, ...]) -> tuple[Reliability, dict[str, Any]]:
    """
    The score of answerability is fitted to all folds; its thresholds, and all that is counted of what is answered, come
    from scores of each fold by a fit to the others.
    """
    clean, labels = joined([fold.faces for fold in folds]), np.concatenate([fold.labels for fold in folds])
    poor, right = joined([fold.disturbed for fold in folds]), np.concatenate([fold.right for fold in folds])
    can_be_read = readable(right, [condition for fold in folds for condition in fold.conditions])
    heads = [fit_head([other for other in folds if other is not fold], can_be_read) for fold in folds]

    def scores(of: Callable[[Material], Seen]) -> np.ndarray:
        return np.concatenate([head(of(fold).outputs) for head, fold in zip(heads, folds)])

    kinds = {kind: scores(lambda fold, kind=kind: fold.no_faces[kind]) for kind in folds[0].no_faces}
    of_faces, of_poor = scores(lambda fold: fold.faces), scores(lambda fold: fold.disturbed)
    head = with_threshold(fit_head(folds, can_be_read), of_faces, np.concatenate(list(kinds.values())))

    answered, correct = of_faces >= head.threshold, clean.answers == labels
    distributions = clean.distributions[answered]
    method, tried = choose_method(distributions, labels[answered])
    counted = (clean.confidence[answered], correct[answered])
    reliability = Reliability(
        labels=names,
        accuracy=fit_accuracy_map(*counted),
        accuracy_by_class=fit_class_maps(*counted, clean.answers[answered], names),
        accuracy_of_poor=fit_poor_map(
            head,
            np.append(of_faces, of_poor),
            np.append(clean.confidence, poor.confidence),
            np.append(correct, right),
        ),
        method=method,
        thresholds=fit_sets(distributions, labels[answered], method),
        answerability=head,
    )
    found, surely = {"faces": of_faces} | kinds, {"faces": surely_answered(reliability, clean, of_faces)}
    if all(fold.unreadable for fold in folds):
        found["unreadable"] = scores(lambda fold: fold.unreadable)
        seen = joined([fold.unreadable for fold in folds])
        surely["unreadable"] = surely_answered(reliability, seen, found["unreadable"])
    measured = {
        "kept_out_faces": len(labels),
        "accuracy": float(correct.mean()),
        "sets_by_cross_validation": tried,
        "disturbances_that_make_unreadable": [
            f"{kind} {severity}" for (kind, severity), can in can_be_read.items() if can is False
        ],
        "answered": {kind: float((values >= head.threshold).mean()) for kind, values in found.items()},
        "crops": {kind: len(values) for kind, values in found.items()},
        "answered_if_90_in_100_are_right": surely,
    }
    return reliability, measured


def surely_answered(reliability: Reliability, seen: Seen, scores: np.ndarray) -> float:
    """The share of crops that get an answer of which 90 in 100 are expected to be right. `scores`: (M,)."""
    answered = scores >= reliability.answerability.threshold
    expected = [
        reliability.expected_accuracy(reliability.labels[answer], confidence, score)[0]
        for answer, confidence, score in zip(seen.answers, seen.confidence, scores)
    ]
    return float((answered & (np.array(expected) >= 0.9)).mean())


def fit_head(folds: Sequence[Material], can_be_read: dict[tuple[str, int], bool | None]) -> Answerability:
    """The score of answerability, fitted to these folds."""
    disturbed = joined([fold.disturbed for fold in folds])
    judged = np.array([can_be_read[condition] for fold in folds for condition in fold.conditions])
    faces = [(joined([fold.faces for fold in folds]), 1.0), (disturbed.select(judged == True), DISTURBED_WEIGHT)]  # noqa: E712
    others = [(joined([fold.no_faces[kind] for fold in folds]), 1.0) for kind in folds[0].no_faces]
    others.append((disturbed.select(judged == False), 1.0))  # noqa: E712 (None is neither)
    if unreadable := [fold.unreadable for fold in folds if fold.unreadable]:
        others.append((joined(unreadable), 1.0))
    return fit_answerability([group for group in faces if len(group[0])], others)


def unreadable_faces(args: argparse.Namespace) -> list[Image.Image]:
    """Training images of FER+ whose taggers said "unknown" or "not a face", which no run trains on; of others none."""
    if not (args.dataset_dir and dataset_format(args) == "ferplus"):
        return []
    return list(crops_of(unreadable_images(args.dataset_dir, args.train_split)))


def fit_poor_map(
    head: Answerability, scores: np.ndarray, confidence: np.ndarray, correct: np.ndarray
) -> AccuracyMap | None:
    """Of what is answered and yet a poor picture; None where there are too few. Arrays (M,)."""
    poor = (scores >= head.threshold) & (scores < head.clear_from)
    return fit_accuracy_map(confidence[poor], correct[poor]) if poor.sum() >= LEAST_ANSWERS else None


def main(args: argparse.Namespace):
    try:
        reliability, measured = fit(args)
        measured = rounded(measured)
        if measured["kept_out_faces"] < LEAST_ANSWERS:
            print(
                f"Note: {measured['kept_out_faces']} faces say little of how often such answers are right; see "
                "expected_accuracy_interval, or train again with a larger --calibration_fraction.",
                file=sys.stderr,
            )
        write_reliability(args.model, reliability, measured)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot fit the reliability of {args.model}: {error}")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main(parse_args())
