"""
Measure what a checkpoint usually does with a face, explanation.json, on images that training never saw.

    python train/fit_explanation.py --model runs/final --calibration_fraction 0.05 DATA_FLAGS

with the data flags of the run, as for train/calibrate.py, after which it belongs: another network needs another file.
In the folder of the model explanation.json then holds the average face's attention, the anchors' places on a plane, how
much each is used, and which labels people gave to the faces near it.
"""

import argparse
import json
import sys

from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.flags import FlagParser

BATCH = 32


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="folder of a calibrated model, which gets explanation.json")
    add("--runtime", default="auto", help="what runs the network: auto, torch, compile or onnx (default: auto)")
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch
from datasets import Dataset

from grefel_hf.explanation import Explanation, write_explanation
from grefel_hf.loading import load_checkpoint
from grefel_hf.runtime.networks import create_network
from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.class_names import class_names
from grefel_train.data.kept_out import load_kept_out
from grefel_train.data.splits import class_ids
from grefel_train.explanation import anchor_map
from grefel_train.reliability.seen import crops_of


def fit(args: argparse.Namespace) -> Explanation:
    """
    What goes into the file.

    Raises:
        OSError, ValueError: the model or the data cannot be read, or training has seen these images.
    """
    model, processor = load_checkpoint(args.model)
    labels = class_names(model.config)
    data = load_kept_out(args, labels).calibration
    network = create_network(model, args.runtime)
    crops = list(crops_of(data))
    batches = (crops[start : start + BATCH] for start in range(0, len(crops), BATCH))
    seen = [network(processor(batch, return_tensors="np")["pixel_values"]) for batch in batches]

    def values_of(name: str) -> np.ndarray | None:
        return np.concatenate([values[name] for values in seen]).astype(np.float64) if name in seen[0] else None

    attention, similarities = values_of("attention_map"), values_of("anchor_similarities")
    anchors = None
    if similarities is not None:
        with torch.no_grad():
            points = model.anchors.comparable(model.anchors.positions.float()).cpu().numpy()
        anchors = anchor_map(points, similarities, label_distributions(data, len(labels)))
    average = None if attention is None else attention.sum(1).mean(0)  # (M, 3, S, S) -> (S, S)
    return Explanation(labels, len(data), average, anchors)


def label_distributions(data: Dataset, count: int) -> np.ndarray:
    """(M, N), what people said of each image."""
    if "distribution" in data.column_names:
        return np.asarray(read_column(data, "distribution").to_pylist())
    return np.eye(count)[class_ids(data)]


def main(args: argparse.Namespace):
    try:
        explanation = fit(args)
        write_explanation(args.model, explanation)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot measure what {args.model} usually does: {error}")
    found = explanation.anchors
    used = None if found is None else int((found.use > 0.001).sum())
    agreement = found and found.agreement
    print(json.dumps({"faces": explanation.faces, "anchors_used": used, "agreement_of_the_map": agreement}, indent=2))


if __name__ == "__main__":
    main(parse_args())
