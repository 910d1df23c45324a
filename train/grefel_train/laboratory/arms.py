"""The setups that the laboratory compares: what each is called, and its heads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from grefel_hf import GReFELConfig
from grefel_train.laboratory.heads import Balanced, EACHeads, Heads, PrimaryOnly, SCNHeads

# Entries of the config; the mixture's own loss has weight 1 in all of them.
PAPER = {"primary_loss_weight": 0.0, "geometric_loss_weight": 0.0, "attentive_loss_weight": 0.0}
EARLIER = {"primary_loss_weight": 0.3, "geometric_loss_weight": 0.3, "learn_anchor_temperature": True}
BY_PART = {
    "primary_loss_weight": 0.5,
    "geometric_loss_weight": 0.5,
    "attentive_loss_weight": 0.5,
    "detach_confidences": True,
    "anchor_distance": "cosine",
    "learn_anchor_temperature": True,
}
# What no head has to do with, made small: the encoder is built and thrown away.
SMALL_ENCODER = {"num_hidden_layers": 1, "intermediate_size": 64, "mobilefacenet_depths": (1, 1, 1)}

# From the size of the stored tokens, the config and the labels (M,) of the training images to an arm's heads.
Make = Callable[[int, GReFELConfig, torch.Tensor], Heads]


@dataclass(frozen=True)
class LaboratoryArm:
    """One line of a table."""

    title: str
    make: Make
    entries: dict[str, Any]


def with_prior(token_size: int, config: GReFELConfig, labels: torch.Tensor) -> Heads:
    counts = torch.bincount(labels, minlength=config.num_labels).float().clamp_min(0.5)
    return PrimaryOnly(token_size, config, prior=counts / counts.sum())


ARMS = {
    "primary": LaboratoryArm("Primary head only", lambda size, config, _: PrimaryOnly(size, config), {}),
    "smoothing": LaboratoryArm(
        "Primary head, label smoothing 0.1", lambda size, config, _: PrimaryOnly(size, config, smoothing=0.1), {}
    ),
    "logit_adjustment": LaboratoryArm("Primary head, logit adjustment", with_prior, {}),
    "three_heads": LaboratoryArm("Three plain heads", lambda size, config, _: PrimaryOnly(size, config, count=3), {}),
    "paper": LaboratoryArm("Balancing, the paper's losses", lambda size, config, _: Balanced(size, config), PAPER),
    "earlier": LaboratoryArm(
        "Balancing, losses of the weights of 0.1.0", lambda size, config, _: Balanced(size, config), EARLIER
    ),
    "by_part": LaboratoryArm(
        "Balancing as shipped: cosine anchors, one loss a part",
        lambda size, config, _: Balanced(size, config),
        BY_PART,
    ),
    "kmeans": LaboratoryArm(
        "Balancing, anchors started by k-means", lambda size, config, _: Balanced(size, config, kmeans=True), BY_PART
    ),
    "kmeans_smoothing": LaboratoryArm(
        "Balancing, anchors by k-means, label smoothing 0.1",
        lambda size, config, _: Balanced(size, config, kmeans=True, smoothing=0.1),
        BY_PART,
    ),
    "anchors": LaboratoryArm(
        "Only anchors, started by k-means",
        lambda size, config, _: Balanced(size, config, kmeans=True),
        BY_PART | {"use_attentive_correction": False},
    ),
    "attention": LaboratoryArm(
        "Only attentive correction",
        lambda size, config, _: Balanced(size, config),
        BY_PART | {"use_anchors": False},
    ),
    "scn": LaboratoryArm("SCN", lambda size, config, _: SCNHeads(size, config), {}),
    "eac": LaboratoryArm("EAC", lambda size, config, _: EACHeads(size, config), {}),
}


def arm_config(arm: LaboratoryArm, config: GReFELConfig) -> GReFELConfig:
    """The config of an arm's heads from that of the model whose features are stored; its other losses are defaults."""
    defaults = GReFELConfig()
    losses = {
        name: getattr(defaults, name)
        for name in (*BY_PART, "anchor_temperature", "anchor_margin", "classification_loss_weight")
    }
    both = {"use_anchors": True, "use_attentive_correction": True, "class_weights": None}
    return GReFELConfig(**config.to_dict() | losses | both | SMALL_ENCODER | arm.entries)
