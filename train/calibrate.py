"""
Scale the confidence of the three branches, as the last stage of training, on images that training never saw.

    python train/calibrate.py --model runs/grefel-small/best --output_dir OUT --calibration_fraction 0.05 DATA_FLAGS

`train.py --calibration_fraction` keeps a part of the training split out of training; with the same data flags it is
found again here. One factor each for the logits of the primary head, of the attentive correction and for the
inverse of the anchors' temperature (Eq. 9, 17 and 14) is fitted to the likelihood of the corrected distribution, and
multiplied into the weights: the network stays what it is, only surer or less sure. The validation split is not used.

With --least_class_share 0.03 the answers are then those for a population in which each class has 3 % of the faces at
least, however rare it was in training: primary head and attentive correction get biases, which the anchors do not have.
"""

import argparse
import json
import sys
from pathlib import Path

from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.flags import FlagParser, at_least


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for the calibrated model")
    parser.add_argument(
        "--least_class_share",
        type=at_least(0, float),
        default=0.0,
        help="answer as if each class had this share of the faces at least; 0 leaves them as rare as in training",
    )
    parser.add_argument("--overwrite_output_dir", action="store_true", help="replace a model that lies there")
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    args = parser.parse_args(argv)
    if args.least_class_share >= 1:
        parser.error(f"--least_class_share {args.least_class_share}: a share is below 1; 0.03 for 3 of 100 faces.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.files import write_text
from grefel_hf.loading import load_checkpoint
from grefel_hf.model.losses import as_distribution, classification_loss
from grefel_hf.model.reliability_balancing import (
    PROBABILITY_EPSILON,
    anchor_similarities,
    correct_distribution,
    geometric_correction,
)
from grefel_hf.results import PARTS
from grefel_train.data.class_names import class_names
from grefel_train.data.dataset import FaceDataset
from grefel_train.data.kept_out import load_kept_out, run_record
from grefel_train.data.splits import class_ids, training_target_column
from grefel_train.evaluation.forward import concatenated, forward_batches
from grefel_train.evaluation.metrics import classification_metrics
from grefel_train.run.log import rounded
from grefel_train.run.provenance import read_json
from grefel_train.run.saving import save_model

BRANCHES = PARTS[:3]
RECORD = "calibration.json"  # of a model that no run's all_results.json tells of


def run_network(model: GReFELForImageClassification, processor: GReFELImageProcessor, data) -> dict[str, torch.Tensor]:
    """
    Of each image: `primary` and `attentive` logs of the distributions (M, N) and `distances` to the anchors (M, N, K),
    those of the parts that the model has; `labels`, distributions (M, N).
    """
    loader = torch.utils.data.DataLoader(FaceDataset(data, processor, training_target_column(data)), batch_size=64)

    def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        output = model(pixel_values=pixel_values)
        row = {"primary": output.primary_logits.log_softmax(-1)}
        if output.get("attentive_correction") is not None:
            row["attentive"] = output.attentive_correction.clamp_min(PROBABILITY_EPSILON).log()
        if output.get("embedding") is not None and model.anchors is not None:
            row["distances"] = model.anchors.squared_distances(output.embedding.float())
        return row

    found = concatenated(forward_batches(answers, loader, processor, title="calibration images"))
    return found | {"labels": as_distribution(found["labels"], model.num_labels)}


def scaled(
    found: dict[str, torch.Tensor], temperature: float | torch.Tensor, scales: torch.Tensor, biases: torch.Tensor
) -> torch.Tensor:
    """
    L_final (M, N) with the logits of each branch multiplied by `scales` (3,), in the order of `BRANCHES`, and `biases`
    (N,) added to those that come from a linear layer.
    """
    primary = (found["primary"] * scales[0] + biases).softmax(-1)
    geometric = attentive = None
    if "distances" in found:
        geometric = geometric_correction(anchor_similarities(found["distances"], temperature / scales[1]))
    if "attentive" in found:
        attentive = (found["attentive"] * scales[2] + biases).softmax(-1)
    return correct_distribution(primary, geometric, attentive)[0]


def fit_scales(found: dict[str, torch.Tensor], temperature: float | torch.Tensor, steps: int = 300) -> torch.Tensor:
    """The scales (3,) under which the class on top of each label is most likely; 1 for a branch that is not there."""
    target = as_distribution(found["labels"].argmax(-1), found["labels"].shape[-1])
    unbiased = torch.zeros(target.shape[-1])
    log_scales = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([log_scales], lr=0.05)
    for _ in range(steps):
        loss = classification_loss(scaled(found, temperature, log_scales.exp(), unbiased), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_scales.detach().exp()


def rare_class_biases(ids: np.ndarray, num_labels: int, least_share: float) -> torch.Tensor:
    """
    What brings logits that were learned from faces of these class ids (M,) to a population in which each has at least
    `least_share`: the log of the ratio of the two shares, 0 for a class that is no rarer (N,).

    Logit adjustment (Menon et al., 2021, https://arxiv.org/abs/2007.07314) with a floor under rare classes in place of
    equal shares for all. A class without an image counts as one image.
    """
    shares = np.bincount(ids, minlength=num_labels).clip(1) / len(ids)
    return torch.as_tensor(np.log(np.maximum(least_share / shares, 1.0)), dtype=torch.float32)


@torch.no_grad()
def change_branches(model: GReFELForImageClassification, scales: torch.Tensor, biases: torch.Tensor):
    """Multiply the scales into the last layers and the temperature, and add the biases."""
    layers = [(model.primary_head.output, scales[0])]
    if model.attentive_correction is not None:
        layers.append((model.attentive_correction.classifier, scales[2]))
    for layer, scale in layers:
        layer.weight.mul_(scale)
        layer.bias.mul_(scale).add_(biases)
    if model.anchors is not None and model.anchors.log_temperature is not None:
        model.anchors.log_temperature.sub_(scales[1].log())
    elif model.anchors is not None:
        model.anchors.initial_temperature /= scales[1].item()
        model.config.anchor_temperature = model.anchors.initial_temperature


def check_request(args: argparse.Namespace, num_labels: int):
    """Raises ValueError where the share cannot be given, or the output would take the place of a model."""
    if args.least_class_share * num_labels > 1:
        raise ValueError(
            f"--least_class_share {args.least_class_share}: each of {num_labels} classes can have {1 / num_labels:.3g} "
            "of the faces at most."
        )
    if not args.overwrite_output_dir and (args.output_dir / "config.json").exists():
        raise ValueError(f"{args.output_dir} has a model: name another --output_dir, or add --overwrite_output_dir.")
    records = [read_json(Path(args.model) / name) or {} for name in ("all_results.json", RECORD)]
    if any(record.get("calibration", {}).get("least_class_share") for record in records):
        raise ValueError("its classes have a least share already: give the model that training left.")


def main(args: argparse.Namespace):
    try:
        model, processor = load_checkpoint(args.model)
        check_request(args, model.num_labels)
        splits, results = load_kept_out(args, class_names(model.config)), run_record(args.model)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot calibrate {args.model}: {error}")
    found = run_network(model, processor, splits.calibration)
    # Where no class has most of the votes there is no answer to be right about.
    clear = found["labels"].amax(-1) > 0.5
    found = {name: value[clear] for name, value in found.items()}
    labels = found["labels"].argmax(-1)
    temperature = 1.0 if model.anchors is None else torch.as_tensor(model.anchors.temperature).detach()
    unbiased = torch.zeros(model.num_labels)
    if (scaled(found, temperature, torch.ones(3), unbiased).argmax(-1) == labels).all():
        sys.exit(
            f"Cannot calibrate {args.model}: it is right on all {len(labels)} images that were kept out, which do not "
            "say how sure it may be. Train again with a larger --calibration_fraction."
        )
    scales = fit_scales(found, temperature)
    biases = rare_class_biases(class_ids(splits.train), model.num_labels, args.least_class_share)
    report = {"samples": len(labels), "scales": dict(zip(BRANCHES, scales.tolist()))}
    stages = {"before": (torch.ones(3), unbiased), "scaled": (scales, unbiased), "after": (scales, biases)}
    report["least_class_share"] = args.least_class_share
    report["biases"] = dict(zip(splits.label_names, biases.tolist()))
    for name, change in stages.items():
        report[name] = classification_metrics(scaled(found, temperature, *change), labels)
    change_branches(model, scales, biases)
    save_model(model, processor, args.output_dir)
    record, name = {"calibration": report}, RECORD
    if results is not None:
        record, name = results | record, "all_results.json"
    write_text(args.output_dir / name, json.dumps(record, indent=2) + "\n")
    print(json.dumps(rounded(report), indent=2))


if __name__ == "__main__":
    main(parse_args())
