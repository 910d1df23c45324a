"""The images that a run kept out of training, for what is fitted after it."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from grefel_train.data.class_names import same_classes
from grefel_train.data.fingerprint import check_kept_out
from grefel_train.data.loading import FaceData, load_face_data
from grefel_train.data.splits import with_classes
from grefel_train.run.provenance import read_json


def run_record(model: str | Path) -> dict | None:
    """all_results.json of the run that made a model, in its folder or, for OUT/best, above it; None without one."""
    records = (read_json(folder / "all_results.json") for folder in (Path(model), Path(model).parent))
    return next((record for record in records if record), None)


def load_kept_out(args: argparse.Namespace, label_names: Sequence[str]) -> FaceData:
    """
    The images as `calibration`, and those that training saw as `train`.

    Args:
        args: data flags of the run, `label_map`, and the `model` that came of it.
        label_names: the model's classes, which become those of the data.

    Raises:
        OSError, ValueError: the data cannot be read, has a class that the model lacks, or training has seen these
            images.
    """
    data = load_face_data(args, splits=("train",), label_map=args.label_map)
    if data.calibration is None:
        raise ValueError(
            "--calibration_fraction must be that of the training run, and not 0: after a run without one, train again."
        )
    results = run_record(args.model)
    check_kept_out(data.calibration, results, args.calibration_fraction)
    if results is None:
        print("Note: nothing tells whether these images were kept out of training.", file=sys.stderr)
    return in_classes(data, label_names)


def in_classes(data: FaceData, label_names: Sequence[str]) -> FaceData:
    """Training images and those kept out in these classes. Raises ValueError where the data has others."""
    if data.label_names == tuple(label_names):
        return data
    ids = same_classes(data.label_names, label_names)
    others = [name for name, index in zip(data.label_names, ids) if index is None]
    if others:
        raise ValueError(
            f"the model does not know {', '.join(others)}: say with --label_map which of its classes that is "
            f"({', '.join(label_names)}), or leave it out: {others[0]}="
        )
    splits = {name: with_classes(getattr(data, name), np.array(ids), label_names) for name in ("train", "calibration")}
    return replace(data, label_names=tuple(label_names), **splits)
