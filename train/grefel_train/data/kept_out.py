"""The images that a run kept out of training, for what is fitted after it."""

import argparse
import sys
from pathlib import Path

from datasets import Dataset

from grefel_train.data.fingerprint import check_kept_out
from grefel_train.data.loading import load_face_data
from grefel_train.run.provenance import read_json


def load_kept_out(args: argparse.Namespace) -> Dataset:
    """
    Args:
        args: data flags of the run, `label_map`, and the `model` that came of it.

    Raises:
        OSError, ValueError: the data cannot be read, or training has seen these images.
    """
    data = load_face_data(args, splits=("train",), label_map=args.label_map).calibration
    if data is None:
        raise ValueError("--calibration_fraction must be that of the training run, and not 0.")
    records = (read_json(folder / "all_results.json") for folder in (Path(args.model), Path(args.model).parent))
    results = next((record for record in records if record), None)
    check_kept_out(data, results, args.calibration_fraction)
    if results is None:
        print("Note: nothing tells whether these images were kept out of training.", file=sys.stderr)
    return data
