"""The flags of train.py: those of the official no-trainer scripts where they mean the same, and checks between them."""

import argparse
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from grefel_hf.model.sizes import GREFEL_SIZES
from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.flags import FlagParser, Scope, at_least
from grefel_train.run.recipe import add_model_arguments, parse_with_recipe

SCHEDULES = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup")
EXPONENTIAL = "exponential"
METRICS = ("accuracy", "macro_recall", "macro_f1")
TRACKERS = ("tensorboard", "trackio", "wandb", "mlflow", "all")


def parse_args(description: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags over the recipe of --config over the defaults. Exits with a message for what does not fit together."""
    parser = build_parser(description)
    args = parse_with_recipe(parser, argv)
    problem = contradiction(args)
    if problem:
        parser.error(problem)
    return args


def within(arguments: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Those of a run's arguments that reach no further; a flag that train.py has no more counts as shaping weights."""
    scopes = known_flags().scopes
    return {name: value for name, value in arguments.items() if scopes.get(name, Scope.WEIGHTS) <= scope}


def secret_options() -> list[str]:
    """What is written before a value that belongs in no file."""
    parser = known_flags()
    secrets = [parser.flags[name] for name, scope in parser.scopes.items() if scope >= Scope.SECRET]
    return [option for flag in secrets for option in flag.option_strings]


@functools.cache
def known_flags() -> FlagParser:
    return build_parser()


def build_parser(description: str | None = None) -> FlagParser:
    parser = FlagParser(description=description, allow_abbrev=False)
    parser.add_argument(
        "--config",
        scope=Scope.START,
        help="YAML recipe: its keys are these flags, and `model` entries of GReFELConfig.",
    )
    add_run_arguments(parser.add_argument_group("run"))
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    add_network_arguments(parser.add_argument_group("network"))
    add_epoch_arguments(parser.add_argument_group("what an epoch shows"))
    add_optimisation_arguments(parser.add_argument_group("optimisation"))
    add_speed_arguments(parser.add_argument_group("precision and speed"))
    add_checkpoint_arguments(parser.add_argument_group("checkpoints and tracking"))
    add_hub_arguments(parser.add_argument_group("Hugging Face Hub"))
    add_model_arguments(parser)
    return parser


def add_run_arguments(group):
    add = group.add_argument
    add("--output_dir", scope=Scope.START, required=True, help="Where checkpoints, the best model, recipe and logs go.")
    add(
        "--overwrite_output_dir",
        scope=Scope.START,
        action="store_true",
        help="Delete what an earlier run left in --output_dir.",
    )
    add("--seed", type=at_least(0, int), default=0)
    add("--num_train_epochs", type=at_least(1, int), default=8)
    add("--max_train_steps", type=at_least(1, int), help="Optimiser steps; goes before --num_train_epochs.")
    add(
        "--stop_after_epoch",
        scope=Scope.RUN,
        type=at_least(1, int),
        help="End early but keep the schedule; resume to go on.",
    )
    add(
        "--early_stopping_patience",
        scope=Scope.RUN,
        type=at_least(1, int),
        help="End after so many epochs that were no better than the best on validation.",
    )
    add(
        "--eval_on_start",
        scope=Scope.RUN,
        action=argparse.BooleanOptionalAction,
        default=False,
        help="Evaluate before training, too.",
    )
    add(
        "--keep",
        scope=Scope.RUN,
        choices=("best", "last"),
        default="best",
        help="What OUT/best holds: the epoch that is best on validation, or the last, which nothing was chosen for.",
    )
    add("--metric_for_best", choices=METRICS, default="accuracy", help="Of the corrected distribution, on validation.")


def add_network_arguments(group):
    add = group.add_argument
    add("--size", choices=sorted(GREFEL_SIZES), default="small", help="Size that `model` starts from.")
    add(
        "--model_name_or_path",
        scope=Scope.RUN,
        help="Folder or Hub id of a GReFEL checkpoint to start from; what it knows of classes goes by their names.",
    )
    add("--image_backbone", scope=Scope.RUN, help="Safetensors of the image backbone (train/prepare_backbone.py).")
    add("--landmark_backbone", scope=Scope.RUN, help="Safetensors of the landmark backbone.")
    add("--freeze_image_backbone", action=argparse.BooleanOptionalAction, default=False)
    add(
        "--freeze_stages",
        type=at_least(0, int),
        default=0,
        help="Freeze the image backbone's stem and its first stages, so many of its three.",
    )
    add(
        "--freeze_modules",
        nargs="+",
        default=[],
        metavar="NAME",
        help="Freeze modules, e.g. `grefel` for all but heads.",
    )
    add(
        "--do_grayscale",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="Take the colour out of every image, also later at inference (default: as --model_name_or_path, or no).",
    )


def add_epoch_arguments(group):
    add = group.add_argument
    add(
        "--resize_size", type=at_least(1, int), help="Side to which training images are resized before the random crop."
    )
    add("--augmentation_strength", type=at_least(0, float), default=1.0)
    add(
        "--rand_augment",
        type=at_least(1, int),
        metavar="N",
        help="N operations of RandAugment for each image, in place of the changes that were made for faces.",
    )
    add("--mixup_alpha", type=at_least(0, float), default=0.0, help="Beta(alpha, alpha) of mixup; 0 is off.")
    add("--cutmix_alpha", type=at_least(0, float), default=0.0, help="The same of cutmix; with both, one per batch.")
    add("--label_smoothing", type=at_least(0, float), default=0.0)
    add("--label_sharpening", type=at_least(0, float), default=1.0, help="G of y^G / sum(y^G); 1 leaves the labels.")
    add(
        "--refinement",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="Data refinement (section 4.1 of the paper): balanced epochs drawn anew from a pool of each group.",
    )
    add("--pool_per_group", type=at_least(1, int), default=512, help="N_pg: images in the pool from each group.")
    add("--samples_per_class", type=at_least(1, int), default=500, help="B: images of each class in an epoch.")
    add(
        "--balance_power",
        type=at_least(0, float),
        default=0.0,
        help="P of drawing classes in proportion to frequency ** (1 - P): 0 plain, 0.5 by the root, 1 balanced.",
    )
    add("--class_weighting", choices=("none", "inverse_frequency"), default="none")
    add("--class_weight_power", type=at_least(0, float), default=1.0, help="0.5 takes the root of the class weights.")


def add_optimisation_arguments(group):
    add = group.add_argument
    add("--per_device_train_batch_size", type=at_least(1, int), default=64)
    add("--per_device_eval_batch_size", scope=Scope.RUN, type=at_least(1, int), default=64)
    add("--gradient_accumulation_steps", type=at_least(1, int), default=1)
    add("--optimizer", choices=("adamw", "adam"), default="adamw")
    add("--learning_rate", type=at_least(0, float), default=1.5e-3, help="Peak rate.")
    add(
        "--find_learning_rate",
        scope=Scope.START,
        action="store_true",
        help="Instead of a run: up to 100 steps at growing rates, and the peak rate that their losses speak for.",
    )
    add("--backbone_learning_rate", type=at_least(0, float), help="Peak rate of the image backbone, if it differs.")
    add(
        "--layer_decay",
        type=at_least(0, float),
        default=1.0,
        help="Factor of the image backbone's rate from each of its stages to the one before; 1 for one rate.",
    )
    add("--weight_decay", type=at_least(0, float), default=0.05)
    add("--lr_scheduler_type", choices=(*SCHEDULES, EXPONENTIAL), default="cosine")
    add("--lr_decay", type=at_least(0, float), default=0.995, help="Factor per epoch of the exponential schedule.")
    add("--warmup_ratio", type=at_least(0, float), default=0.03, help="Share of the steps in which the rate rises.")
    add("--warmup_steps", "--num_warmup_steps", type=at_least(0, int), help="The same in steps; goes first.")
    add("--max_grad_norm", type=at_least(0, float), default=5.0, help="0 does not clip.")
    add(
        "--anchor_start",
        choices=("random", "kmeans"),
        default="random",
        help="kmeans places the anchors among the embeddings after the first epoch, and dead ones anew after others.",
    )
    add(
        "--ema_decay",
        type=at_least(0, float),
        default=0.998,
        help="Decay per step of the average of weights; 0 is off.",
    )


def add_speed_arguments(group):
    add = group.add_argument
    add(
        "--mixed_precision",
        scope=Scope.RUN,
        choices=("no", "fp16", "bf16"),
        help="Default: what accelerate is configured for.",
    )
    add("--torch_compile", action=argparse.BooleanOptionalAction, default=False)
    add("--gradient_checkpointing", action=argparse.BooleanOptionalAction, default=False)
    add(
        "--sync_batch_norm",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="On several GPUs: batch norm over all of them. Without, each has its own and the first one's is kept.",
    )
    add(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="Ask torch for reproducible operations (default: yes on a CPU; on a GPU it costs speed).",
    )
    add("--dataloader_num_workers", scope=Scope.RUN, type=at_least(0, int), default=1)


def add_checkpoint_arguments(group):
    add = group.add_argument
    add(
        "--checkpointing_steps",
        scope=Scope.RUN,
        type=steps_or_epoch,
        default="epoch",
        help="Optimiser steps, or `epoch`.",
    )
    add(
        "--checkpoints_total_limit",
        scope=Scope.RUN,
        type=at_least(1, int),
        default=2,
        help="Older checkpoints are deleted.",
    )
    add("--resume_from_checkpoint", scope=Scope.START, help="A checkpoint folder, or `latest`.")
    add("--logging_steps", scope=Scope.RUN, type=at_least(1, int), default=50)
    add("--with_tracking", scope=Scope.MACHINE, action=argparse.BooleanOptionalAction, default=False)
    add(
        "--report_to",
        scope=Scope.MACHINE,
        nargs="+",
        choices=TRACKERS,
        help="Implies --with_tracking; tensorboard if not given.",
    )
    add("--project_name", scope=Scope.MACHINE, default="grefel")


def add_hub_arguments(group):
    add = group.add_argument
    add(
        "--push_to_hub",
        scope=Scope.MACHINE,
        action="store_true",
        help="Upload the best model, its card and logs at the end.",
    )
    add("--hub_model_id", scope=Scope.MACHINE, help="Such as user/grefel; default: the name of --output_dir.")
    add("--hub_token", scope=Scope.SECRET, help="Default: that of `hf auth login`.")
    add("--hub_private", scope=Scope.MACHINE, action="store_true")


def steps_or_epoch(text: str) -> int | str:
    return text if text == "epoch" else at_least(1, int)(text)


def contradiction(args: argparse.Namespace) -> str | None:
    """What is wrong with flags that are each right, or None."""
    if args.label_smoothing > 1:
        return f"--label_smoothing is a share between 0 and 1, not {args.label_smoothing}"
    if args.ema_decay >= 1:
        return f"--ema_decay must be below 1 and is {args.ema_decay}: the average would never move"
    if args.label_sharpening == 0:
        return "--label_sharpening 0 would make all labels alike; 1 leaves them as they are"
    if args.freeze_stages > 3:
        return f"--freeze_stages {args.freeze_stages}: the image backbone has 3 stages"
    if args.find_learning_rate and (args.learning_rate == 0 or args.resume_from_checkpoint):
        return "--find_learning_rate tries rates from the start, in the proportions of rates that are not 0"
    if args.class_weighting != "none" and args.model.get("class_weights") is not None:
        return "--class_weighting and --model.class_weights both set the weights of classes: give one of them"
    if args.keep == "last" and args.early_stopping_patience:
        return "--early_stopping_patience waits for a better epoch, which --keep last does not look for"
    if args.refinement and args.balance_power:
        return "--refinement and --balance_power both choose what an epoch shows: give one of them"
    if args.streaming and args.max_train_steps is None:
        return "--streaming needs --max_train_steps: a stream does not tell how long an epoch is"
    for flag in ("refinement", "class_weighting", "balance_power", "calibration_fraction", "label_map", "anchor_start"):
        if args.streaming and getattr(args, flag) not in (False, "none", [], "random"):
            return f"--{flag} needs to know all labels beforehand, which --streaming does not"
    if args.streaming and args.lr_scheduler_type == EXPONENTIAL:
        return f"--lr_scheduler_type {EXPONENTIAL} counts epochs, and --streaming does not tell how long one is"
    return None
