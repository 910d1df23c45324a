"""
Evaluate a checkpoint on a split of FER+ under the official majority protocol.

    python train/evaluate.py --model DIR_OR_ID --dataset_dir FERPLUS [--split validation] [--output FILE.json]

Prints and writes the metrics of the primary and of the corrected distribution, on all images of the protocol and on
those that repeat no earlier one pixel by pixel, plain and with mirror averaging. Runs under `accelerate launch` too.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm
from transformers import AutoImageProcessor, AutoModelForImageClassification

import grefel_hf  # noqa: F401  (registers the Auto classes)
from adapters.ferplus import EMOTIONS, load_ferplus
from evaluation import balancing_metrics, predict
from face_dataset import FaceDataset
from grefel_hf.modeling_grefel import GReFELImageClassifierOutput
from grefel_hf.runtimes import Network, create_network
from metrics import recall_by_class


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id")
    parser.add_argument("--dataset_dir", required=True, help="FER+ folder of parquet files (see train/ferplus.py)")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--runtime", default="torch", help="torch, compile, onnx, or a file of grefel_hf.export_onnx")
    parser.add_argument("--output", type=Path, help="JSON file for the metrics")
    return parser.parse_args(argv)


def weights_digest(model: str) -> str | None:
    """sha256 of a local folder's weights, which ties figures to what they were measured on; None for a Hub id."""
    weights = Path(model) / "model.safetensors"
    return hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else None


def with_tensors(network: Network) -> Callable[[torch.Tensor], GReFELImageClassifierOutput]:
    """A network of arrays, called as the model is."""

    def call(pixel_values: torch.Tensor) -> GReFELImageClassifierOutput:
        outputs = network(pixel_values.numpy())
        return GReFELImageClassifierOutput(**{name: torch.from_numpy(values) for name, values in outputs.items()})

    return call


def evaluate(args: argparse.Namespace) -> dict:
    """All figures that a model card needs."""
    accelerator = Accelerator()
    model = AutoModelForImageClassification.from_pretrained(args.model).to(accelerator.device).eval()
    network = model if args.runtime == "torch" else with_tensors(create_network(model, args.runtime))
    processor = AutoImageProcessor.from_pretrained(args.model)
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    if names != list(EMOTIONS):
        raise SystemExit(f"{args.model} has the classes {names}; FER+ has {list(EMOTIONS)}, in that order.")
    data = load_ferplus(args.dataset_dir, args.split, "majority")
    loader = torch.utils.data.DataLoader(FaceDataset(data, processor, "label"), batch_size=args.batch_size)
    loader = accelerator.prepare(loader)
    result = {
        "dataset": "FER+",
        "protocol": "majority",
        "split": args.split,
        "runtime": args.runtime,
        "images": len(data),
        "weights_sha256": weights_digest(args.model),
    }
    for mode in ("plain", "mirror_averaged"):
        progress = tqdm(loader, desc=mode, disable=not accelerator.is_main_process)
        predictions = predict(network, progress, processor, accelerator, flip=mode == "mirror_averaged")
        result[mode] = balancing_metrics(predictions)
        result[mode]["corrected"]["recall_by_class"] = recall_by_class(
            predictions["corrected"], predictions["labels"], names
        )
        if "duplicate_of" in data.column_names:
            unique = torch.tensor([copy is None for copy in data["duplicate_of"]])
            without = {name: values[unique] for name, values in predictions.items()}
            result[mode]["without_duplicates"] = balancing_metrics(without)
        changed = predictions["primary"].argmax(-1) != predictions["corrected"].argmax(-1)
        right = predictions["corrected"].argmax(-1) == predictions["labels"]
        was_right = predictions["primary"].argmax(-1) == predictions["labels"]
        result[mode]["balancing"] = {
            "labels_changed": int(changed.sum()),
            "mended": int((right & ~was_right).sum()),
            "spoilt": int((was_right & ~right).sum()),
        }
    return result if accelerator.is_main_process else {}


def main():
    args = parse_args()
    try:
        result = evaluate(args)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot evaluate {args.model}: {error}")
    if not result:  # a helper process of accelerate launch
        return
    text = json.dumps(result, indent=2)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
