"""
Last stage of training: scale the confidence of the three branches on images that training never saw.

    python train/calibrate.py --model runs/grefel-small/best --dataset_dir FERPLUS --output_dir OUT

`train.py --holdout_fraction` keeps a part of the training split out of training. On it, one factor each for the logits
of the primary head, of the attentive correction and for the temperature of the anchors (Eq. 9, 17 and 14) is fitted to
the likelihood of the corrected distribution, and multiplied into the weights: the network stays what it is, only surer
or less sure. The validation split is not used.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from torch import nn
from transformers import AutoImageProcessor, AutoModelForImageClassification

from ferplus import load_ferplus
from fit_anchors import run_network
from grefel_hf import GReFELForImageClassification
from grefel_hf.losses import as_distribution, classification_loss
from grefel_hf.reliability_balancing import anchor_similarities, correct_distribution, geometric_correction
from grefel_hf.reliability_balancing import squared_anchor_distances
from metrics import classification_metrics
from train import holdout_mask, save_model
import numpy as np
from ferplus import majority_labels


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--dataset_dir", required=True, help="FER+ folder of parquet files")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for the calibrated model")
    parser.add_argument("--holdout_fraction", type=float, default=0.05, help="as in training")
    return parser.parse_args(argv)


def corrected(found: dict[str, torch.Tensor], anchors: torch.Tensor, temperature, scales: torch.Tensor) -> torch.Tensor:
    """L_final (M, N) with the logits of primary, geometric and attentive distribution times `scales` (3,)."""
    primary = (found["primary"].clamp_min(1e-30).log() * scales[0]).softmax(-1)
    attentive = (found["attentive"].clamp_min(1e-30).log() * scales[2]).softmax(-1)
    distances = squared_anchor_distances(found["embedding"], anchors)
    geometric = geometric_correction(anchor_similarities(distances, temperature / scales[1]))
    return correct_distribution(primary, geometric, attentive)[0]


def fit_scales(found, labels, anchors, temperature, steps: int = 300) -> torch.Tensor:
    """The three scales (3,) of greatest likelihood of class ids (M,)."""
    log_scales = torch.zeros(3, requires_grad=True)
    target = as_distribution(labels, anchors.shape[0])
    optimizer = torch.optim.Adam([log_scales], lr=0.05)
    for _ in range(steps):
        loss = classification_loss(corrected(found, anchors, temperature, log_scales.exp()), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_scales.detach().exp()


@torch.no_grad()
def scale_branches(model: GReFELForImageClassification, scales: torch.Tensor):
    """Multiply the scales into the weights and the temperature."""
    for layer, scale in ((model.primary_head.output, scales[0]), (model.attentive_correction.classifier, scales[2])):
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    if model.anchors.log_temperature is not None:
        model.anchors.log_temperature.sub_(scales[1].log())
    else:
        model.config.anchor_temperature /= scales[1].item()


def main(args):
    model = AutoModelForImageClassification.from_pretrained(args.model).eval()
    processor = AutoImageProcessor.from_pretrained(args.model)
    data = load_ferplus(args.dataset_dir, "train", "probability")
    data = data.select(holdout_mask(len(data), args.holdout_fraction).nonzero().flatten().tolist())
    labels = torch.from_numpy(majority_labels(np.asarray(data["votes"])))
    kept = labels >= 0
    found = {k: v[kept] for k, v in run_network(model, processor, data).items()}
    labels = labels[kept]
    anchors, temperature = model.anchors.positions.detach(), model.anchors.temperature
    temperature = float(temperature)
    before = corrected(found, anchors, temperature, torch.ones(3))
    scales = fit_scales(found, labels, anchors, temperature)
    after = corrected(found, anchors, temperature, scales)
    print("before", classification_metrics(before, labels)); print("after", classification_metrics(after, labels))
    print("scales", scales.tolist(), "temperature", temperature)
    scale_branches(model, scales)
    save_model(model, processor, args.output_dir)


if __name__ == "__main__":
    main(parse_args())
