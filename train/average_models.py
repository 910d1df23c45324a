"""
Average the weights of models of one lineage, which is often better than each of them and costs nothing to run.

    python train/average_models.py --models runs/A/best runs/B/best [--weights 0.7 0.3] --output_dir OUT

Weight averaging over fine-tuned models ("model soups", Wortsman et al., 2022) works where one was trained on from the
other, or both from the same; of models with separate random starts it makes noise. OUT/best has the average,
OUT/all_results.json the results of the first model's run with a note of what was averaged, so that calibrate.py and
model_card.py go on from there. Measure the average: no figure of its parts is true of it.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError

from grefel_hf.checkpoint import weights_file_digest
from grefel_hf.files import write_text
from grefel_hf.loading import load_checkpoint
from grefel_train.run.saving import save_model


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--models", nargs="+", required=True, metavar="DIR", help="two or more folders of models")
    parser.add_argument("--weights", nargs="+", type=float, help="one for each model (default: all the same)")
    parser.add_argument("--output_dir", type=Path, required=True)
    args = parser.parse_args(argv)
    if len(args.models) < 2:
        parser.error("--models needs two or more")
    args.weights = args.weights or [1.0] * len(args.models)
    if len(args.weights) != len(args.models) or min(args.weights) < 0 or not 0 < sum(args.weights) < math.inf:
        parser.error(f"--weights needs {len(args.models)} numbers of at least 0 that are not all 0")
    return args


def averaged_weights(states: Sequence[dict[str, torch.Tensor]], weights: Sequence[float]) -> dict[str, torch.Tensor]:
    """
    The mean of state dicts, in float32; tensors that are no floats (counters) are those of the first.

    Raises:
        ValueError: the names or shapes differ.
    """
    first, total = states[0], sum(weights)
    for other in states[1:]:
        shapes = [{name: tuple(tensor.shape) for name, tensor in state.items()} for state in (first, other)]
        if shapes[0] != shapes[1]:
            name = next(n for n in sorted(shapes[0] | shapes[1]) if shapes[0].get(n) != shapes[1].get(n))
            raise ValueError(f"the models are of different architectures: {name} is not the same in all")
    return {
        name: sum(weight / total * state[name].float() for weight, state in zip(weights, states))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in first.items()
    }


def main(args: argparse.Namespace):
    try:
        models, processors = zip(*map(load_checkpoint, args.models))
        if any(model.config.id2label != models[0].config.id2label for model in models):
            raise ValueError("the models have other classes, or the same in another order")
        average = averaged_weights([model.state_dict() for model in models], args.weights)
        save_model(models[0], processors[0], args.output_dir / "best", state=average)
    except (OSError, ValueError, SafetensorError) as error:
        sys.exit(f"Cannot average: {error}")
    run = Path(args.models[0]).parent / "all_results.json"
    if run.exists():
        results = json.loads(run.read_text())
        for outdated in ("best", "calibration"):  # measured on, or done to, one of the parts
            results.pop(outdated, None)
        results["averaged"] = [
            {"model": model, "weight": weight / sum(args.weights), "weights_sha256": weights_file_digest(model)}
            for model, weight in zip(args.models, args.weights)
        ]
        write_text(args.output_dir / "all_results.json", json.dumps(results, indent=2) + "\n")
    print(f"The average of {len(models)} models is in {args.output_dir / 'best'}.")


if __name__ == "__main__":
    main(parse_args())
