"""The parts of a run, from its arguments: configuration, model, image processor, optimiser and schedule."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import get_scheduler

from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.modeling_grefel import GReFELFeaturePyramid
from grefel_train.data.class_names import class_names, describe_classes, same_classes
from grefel_train.run.arguments import EXPONENTIAL

LANDMARK_HEAD = "landmark_head."
ANCHORS = "anchors.positions"
# Parameters with one row per class.
CLASS_ROWS = (
    "primary_head.output.weight",
    "primary_head.output.bias",
    ANCHORS,
    "attentive_correction.classifier.weight",
    "attentive_correction.classifier.bias",
)
UNDECAYED = (ANCHORS, "cls_token", "position_embeddings", "position_bias_table")


def build_config(
    args: argparse.Namespace, label_names: Sequence[str], class_weights: list[float] | None
) -> GReFELConfig:
    """
    The entries of the size or of the given checkpoint, under those of the recipe and the flags.

    Raises:
        ValueError, StrictDataclassError: entries that do not fit together or have the wrong type.
        OSError: there is no such checkpoint.
    """
    labels = dict(enumerate(label_names))
    entries = {"class_weights": class_weights} | args.model
    entries |= {"id2label": labels, "label2id": {name: i for i, name in labels.items()}}
    if args.model_name_or_path:
        return GReFELConfig(**GReFELConfig.from_pretrained(args.model_name_or_path).to_dict() | entries)
    return GReFELConfig.from_size(args.size, **entries)


def compare_classes(args: argparse.Namespace, label_names: Sequence[str]) -> str:
    """
    What becomes of the classes of --model_name_or_path, for people.

    Raises:
        ValueError: --label_map gives a class a name that the checkpoint does not have.
    """
    known = class_names(GReFELConfig.from_pretrained(args.model_name_or_path))
    for pair in args.label_map:
        target = pair.partition("=")[2].strip()
        if target and same_classes([target], known) == [None]:
            raise ValueError(f"--label_map {pair}: the checkpoint's classes are {', '.join(known)}.")
    return describe_classes(label_names, known)


def build_model(args: argparse.Namespace, config: GReFELConfig) -> GReFELForImageClassification:
    """
    A model of this configuration with the weights and frozen parts that the arguments name.

    Raises:
        OSError, SafetensorError: a file of weights that cannot be read.
        ValueError: weights that do not fit, or a part to freeze that the model does not have.
    """
    model = GReFELForImageClassification(config)
    if args.model_name_or_path:
        load_weights(model, GReFELForImageClassification.from_pretrained(args.model_name_or_path))
    pyramid = model.grefel.pyramid
    for flag, backbone in (
        ("image_backbone", pyramid.image_backbone),
        ("landmark_backbone", pyramid.landmark_backbone),
    ):
        path = getattr(args, flag)
        if path and not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist; train/prepare_backbone.py makes such a file.")
        if path:
            load_backbone(pyramid, backbone, path, flag)
    freeze(model, args)
    if args.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    return model


def load_backbone(pyramid: GReFELFeaturePyramid, backbone: torch.nn.Module, path: str, flag: str):
    """Fill one backbone; a file of train_landmarks.py fills the landmark head, too."""
    weights = load_file(path)
    head = {k.removeprefix(LANDMARK_HEAD): v for k, v in weights.items() if k.startswith(LANDMARK_HEAD)}
    weights = {k.removeprefix("landmark_backbone."): v for k, v in weights.items() if not k.startswith(LANDMARK_HEAD)}
    try:
        backbone.load_state_dict(weights)
        if head and pyramid.landmark_head is not None:
            pyramid.landmark_head.load_state_dict(head)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"--{flag} {path} holds weights of another network than this model's: {first}") from error


@torch.no_grad()
def load_weights(model: GReFELForImageClassification, source: GReFELForImageClassification):
    """
    Copy the weights of `source`. What it knows of a class goes to the same class (`same_classes`), whatever its id;
    those that it does not know keep their random start (their anchors one among the others' anchors), and so do parts
    that it does not have.

    Raises:
        ValueError: a weight has another shape.
    """
    found = same_classes(class_names(model.config), class_names(source.config))
    ids = [index for index, source_index in enumerate(found) if source_index is not None]
    source_ids = [found[index] for index in ids]
    weights = source.state_dict()
    for name, weight in model.state_dict().items():
        if name not in weights:
            continue
        given = weights[name]
        by_class = name in CLASS_ROWS
        if weight.shape[by_class:] != given.shape[by_class:]:
            raise ValueError(
                f"{name} has the shape {tuple(given.shape)} in the checkpoint and {tuple(weight.shape)} in this model: "
                "leave out the --model entries that change it."
            )
        if name == ANCHORS:  # far from every embedding, as random ones are, those of a new class would have no say
            weight.copy_(given.mean((0, 1)) + given.flatten(0, 1).std(0) * torch.randn_like(weight))
        if by_class:
            weight[ids] = given[source_ids]
        else:
            weight.copy_(given)


def freeze(model: GReFELForImageClassification, args: argparse.Namespace):
    """Stop the gradients of the parts that the arguments name; `train_mode` keeps them in eval mode."""
    modules = dict(model.named_modules())
    names = list(args.freeze_modules)
    backbone = "grefel.pyramid.image_backbone"
    if args.freeze_stages:
        names += [f"{backbone}.stem", *(f"{backbone}.stage{i + 1}" for i in range(args.freeze_stages))]
    if args.freeze_image_backbone:
        names.append(backbone)
    for name in names:
        if name not in modules:
            parts = ", ".join(child for child, _ in model.named_children())
            raise ValueError(f"--freeze_modules: the model has no {name!r}; its parts are {parts}, and parts of these.")
        modules[name].requires_grad_(False)


def train_mode(model: torch.nn.Module):
    """Train mode for the model, eval mode for its frozen parts, whose batch norm and dropout must do nothing."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def build_processor(args: argparse.Namespace, config: GReFELConfig) -> GReFELImageProcessor:
    """That of the checkpoint to start from, or a new one. It comes with the model ever after."""
    if args.model_name_or_path:
        processor = GReFELImageProcessor.from_pretrained(args.model_name_or_path)
    else:
        processor = GReFELImageProcessor()
    processor.size = {"height": config.image_size, "width": config.image_size}
    if args.do_grayscale is not None:
        processor.do_grayscale = args.do_grayscale
    return processor


def parameter_groups(model: torch.nn.Module, args: argparse.Namespace) -> list[dict]:
    """
    The trained parameters in groups of one rate each, and no weight decay on vectors (biases, norms, slopes, scales),
    anchors and positions. Those of the image backbone come last, its first stages after its last ones.
    """
    backbone_rate = args.learning_rate if args.backbone_learning_rate is None else args.backbone_learning_rate
    groups: dict[tuple[int, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = 0.0 if parameter.ndim < 2 or name.endswith(UNDECAYED) else args.weight_decay
        depth = backbone_depth(name)
        groups.setdefault((min(depth, 1) if args.layer_decay == 1 else depth, decay), []).append(parameter)
    return [
        {
            "params": groups[depth, decay],
            "lr": backbone_rate * args.layer_decay ** (depth - 1) if depth else args.learning_rate,
            "weight_decay": decay,
        }
        for depth, decay in sorted(groups)
    ]


def backbone_depth(name: str) -> int:
    """How far a parameter is from the end of the image backbone: 1 in its last stage, 4 in its stem, 0 outside."""
    if "image_backbone" not in name:
        return 0
    stage = re.search(r"image_backbone\.stage(\d)", name)
    return 4 - int(stage[1]) if stage else 4


def build_optimizer(model: torch.nn.Module, args: argparse.Namespace) -> torch.optim.Optimizer:
    groups = parameter_groups(model, args)
    if not groups:
        raise ValueError("Every part of the model is frozen: there is nothing to train.")
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[args.optimizer](groups)


def build_schedule(
    optimizer: torch.optim.Optimizer, args: argparse.Namespace, total_steps: int, steps_per_epoch: int | None
) -> torch.optim.lr_scheduler.LRScheduler:
    """
    A schedule to be stepped once per optimiser step, whatever the number of processes.

    "exponential" multiplies the rate by --lr_decay after each epoch (the paper: 0.995); the others are those of
    transformers. All rise linearly from 0 during the warm-up.
    """
    warmup = args.warmup_steps if args.warmup_steps is not None else int(args.warmup_ratio * total_steps)
    if args.lr_scheduler_type == EXPONENTIAL:

        def factor(step: int) -> float:
            return min(1.0, step / max(1, warmup)) if step < warmup else args.lr_decay ** (step // steps_per_epoch)

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return get_scheduler(args.lr_scheduler_type, optimizer, warmup, num_training_steps=total_steps)


def planned_steps(args: argparse.Namespace, steps_per_epoch: int | None) -> int:
    """Optimiser steps of a whole run: --max_train_steps, whatever the epochs say, as in the official scripts."""
    return args.max_train_steps or args.num_train_epochs * steps_per_epoch


def may_be_prolonged(args: argparse.Namespace) -> bool:
    """Whether the rates of the first steps are the same however many follow."""
    if args.lr_scheduler_type == "constant":
        return True
    warmup_is_fixed = args.warmup_steps is not None or args.warmup_ratio == 0
    return args.lr_scheduler_type in ("constant_with_warmup", EXPONENTIAL) and warmup_is_fixed
