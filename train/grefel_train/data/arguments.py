"""The flags that name data, as every script has them."""

import argparse
from collections.abc import Callable
from typing import Any

from grefel_train.data.adapters import ADAPTERS, DEFAULT_FORMAT
from grefel_train.flags import FlagParser, Scope, at_least

VALIDATION_SPLITS = ("validation", "valid", "val", "dev")


def add_source_arguments(add: Callable[..., Any]) -> None:
    """The flags (of a `FlagParser`) that say where images are; `load_source` and `find_image_column` use them."""
    add(
        "--dataset_name",
        scope=Scope.RUN,
        help="Hub id, or a path: a file or folder that `datasets` loads or has saved.",
    )
    add("--dataset_config_name", help="Configuration of --dataset_name.")
    add("--dataset_dir", scope=Scope.MACHINE, help="Folder of a published set (--dataset_format).")
    add(
        "--dataset_format",
        choices=list(ADAPTERS),
        help=f"Layout of --dataset_dir, {DEFAULT_FORMAT} by default; fer2013 where its CSV file is there alone.",
    )
    add("--image_column_name", help="Default: image, img, or the only column of images.")
    for adapter in ADAPTERS.values():
        for option in adapter.options:
            add(f"--{option.flag}", **option.settings)


def add_label_arguments(add: Callable[..., Any]) -> None:
    """The flags that say where labels are, and what becomes of images that cannot be read."""
    add("--label_column_name", help="Default: label, labels, or the only column of class ids.")
    add("--group_column_name", help="Column with the video or subject of an image; default: group, if any.")
    add(
        "--label_names",
        nargs="+",
        help="Classes in the order of their ids: another order than the data has, names for numbers, or the columns "
        "of votes.",
    )
    add(
        "--on_bad_image",
        choices=["error", "skip"],
        default="error",
        help="An unreadable image ends the run, or it is passed over; in training a neighbour takes its place.",
    )


def add_label_map_argument(add: Callable[..., Any]) -> None:
    add(
        "--label_map",
        nargs="+",
        default=[],
        metavar="DATA=MODEL",
        help="Classes of the data under other names, those of the model say, as in happy=happiness; `none=` leaves one "
        "out.",
    )


def add_data_arguments(parser: FlagParser) -> None:
    """All flags about data."""
    add = parser.add_argument_group("data").add_argument
    add_source_arguments(add)
    add(
        "--train_dir",
        scope=Scope.MACHINE,
        help="Folder of training images, one folder for each class; or of train/ and validation/ with those.",
    )
    add("--validation_dir", scope=Scope.MACHINE, help="The same for validation images.")
    add("--train_split", default="train", help="Name of the training split.")
    add("--validation_split", help=f"Name of the validation split; default: {', '.join(VALIDATION_SPLITS)}, if any.")
    add(
        "--validation_fraction",
        "--train_val_split",
        type=float,
        default=0.1,
        help="Where there is no validation split: the share of each class that is held out; 0 for none.",
    )
    add(
        "--calibration_fraction",
        type=float,
        default=0.0,
        help="Share of each class of the training split that is never trained on, for train/calibrate.py.",
    )
    add(
        "--validation_groups",
        nargs="+",
        help="Hold out these groups (subjects, characters, videos) of the training split instead.",
    )
    add_label_arguments(add)
    add("--streaming", action=argparse.BooleanOptionalAction, default=False, help="Read training data as it comes.")
    add("--label_noise", type=float, default=0.0, help="For experiments: share of training images with a wrong label.")
    add("--max_train_samples", type=at_least(1, int), help="Train on so many images, drawn at random.")
    add("--max_eval_samples", type=at_least(1, int), help="Validate with so many images, drawn at random.")
