"""
Draw a sheet of augmented training faces, for a person to look at before a run.

    python train/contact_sheet.py --config train/configs/finetune.yaml --train_dir MY_FACES --output sheet.png

One face a row, from as many classes as there are rows: first the face as it is, with its class, then versions of it as
training sees them. It takes the recipe and the flags of train.py, and those alone decide on size, greyscale and
strength of the augmentation. --side looks at other sizes.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from grefel_train.flags import at_least
from grefel_train.run.arguments import build_parser
from grefel_train.run.recipe import parse_with_recipe


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = build_parser(__doc__)
    parser.flags["output_dir"].required = False
    add = parser.add_argument
    add("--output", required=True, help="PNG file to write.")
    add("--side", type=at_least(1, int), help="Side of the faces in pixels (default: the model's image size).")
    add("--faces", type=at_least(1, int), default=8, help="Rows.")
    add("--versions", type=at_least(1, int), default=9, help="Augmented versions of each face.")
    args = parse_with_recipe(parser, argv)
    if args.streaming:
        parser.error("The sheet picks faces from all classes, which a stream cannot give: leave out --streaming.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from grefel_hf.files import check_file
from grefel_train.data.augmentation import build_augmentation
from grefel_train.data.contact_sheet import Tile, contact_sheet, picture
from grefel_train.data.dataset import FaceDataset, to_unit_range
from grefel_train.data.loading import load_face_data
from grefel_train.data.samplers import DataRefinementSampler
from grefel_train.data.splits import class_ids, training_target_column
from grefel_train.run.build import build_config, build_processor


def some_of_each_class(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Indices of `count` random images in the order of their classes, about as many of each class."""
    per_class = math.ceil(count / len(np.unique(labels)))
    balanced = DataRefinementSampler(labels, None, len(labels), per_class, seed)
    return sorted(list(balanced)[:count], key=lambda index: labels[index])


def main(args: argparse.Namespace):
    try:
        check_file(Path(args.output))
        data = load_face_data(args, splits=("train",), label_map=args.label_map)
        config = build_config(args, data.label_names, None)
        processor = build_processor(args, config)
        side = args.side or config.image_size
        augment = build_augmentation(args, side)
        labels = class_ids(data.train)
        chosen = some_of_each_class(labels, args.faces, args.seed)
        column = training_target_column(data.train)
        plain, larger = (
            FaceDataset(data.train, processor, column, size=size, on_bad_image=args.on_bad_image)
            for size in (side, args.resize_size or side)
        )
        torch.manual_seed(args.seed)
        rows = []
        for index in chosen:
            versions = augment(to_unit_range(larger[index]["pixels"]).expand(args.versions, -1, -1, -1))
            face = Tile(picture(plain[index]["pixels"]), data.label_names[labels[index]])
            rows.append([face, *(Tile(picture(version)) for version in (versions * 255).round().byte())])
        contact_sheet(rows, side).save(args.output, format="PNG")
    except (OSError, ValueError, StrictDataclassError) as error:
        sys.exit(f"Cannot make the contact sheet: {error}")
    colours = "in grey" if processor.do_grayscale else "in colour"
    print(
        f"{args.output}: {args.faces} faces, {args.versions} versions of each {colours} at strength "
        f"{args.augmentation_strength}."
    )


if __name__ == "__main__":
    main(parse_args())
