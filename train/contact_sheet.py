"""
Draw a sheet of augmented training faces, for a person to look at before a run.

    python train/contact_sheet.py --dataset_dir FERPLUS --strength 1.0 --output sheet.png

One face a row, from as many classes as there are rows: first the face as it is, with its class, then versions of it as
training sees them.
"""

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset

from grefel_hf import GReFELImageProcessor
from grefel_train.data.arguments import add_data_arguments
from grefel_train.data.augmentation import FaceAugmentation
from grefel_train.data.contact_sheet import Tile, contact_sheet, picture
from grefel_train.data.dataset import FaceDataset, to_unit_range
from grefel_train.data.loading import load_face_data
from grefel_train.data.samplers import DataRefinementSampler
from grefel_train.data.splits import class_ids, training_target_column
from grefel_train.flags import FlagParser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    add_data_arguments(parser)
    add = parser.add_argument
    add("--output", required=True, help="PNG file to write.")
    add("--strength", type=float, default=1.0, help="Strength of the augmentation, 0 to 1.5.")
    add("--size", type=int, default=112, help="Side of the model's crops in pixels.")
    add("--resize_size", type=int, help="Side to which faces are resized before the random crop (default: --size).")
    add("--faces", type=int, default=8, help="Rows.")
    add("--versions", type=int, default=9, help="Augmented versions of each face.")
    add("--seed", type=int, default=0, help="Settles the faces and their versions.")
    args = parser.parse_args(argv)
    if min(args.faces, args.versions) < 1:
        parser.error("--faces and --versions are at least 1.")
    if args.streaming:
        parser.error("The sheet picks faces from all classes, which a stream cannot give: leave out --streaming.")
    return args


def some_of_each_class(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Indices of `count` random images in the order of their classes, about as many of each class."""
    per_class = math.ceil(count / len(np.unique(labels)))
    balanced = DataRefinementSampler(labels, None, len(labels), per_class, seed)
    return sorted(list(balanced)[:count], key=lambda index: labels[index])


def training_faces(split: Dataset, side: int, args: argparse.Namespace) -> FaceDataset:
    """Faces in colour, resized as training resizes them."""
    processor = GReFELImageProcessor(size={"height": side, "width": side})
    return FaceDataset(split, processor, training_target_column(split), on_bad_image=args.on_bad_image)


def main(args: argparse.Namespace):
    try:
        augment = FaceAugmentation(args.size, args.strength)
        data = load_face_data(args, splits=("train",))
        labels = class_ids(data.train)
        chosen = some_of_each_class(labels, args.faces, args.seed)
        plain = training_faces(data.train, args.size, args)
        larger = training_faces(data.train, args.resize_size or args.size, args)
        torch.manual_seed(args.seed)
        rows = []
        for index in chosen:
            versions = augment(to_unit_range(larger[index]["pixels"]).expand(args.versions, -1, -1, -1))
            face = Tile(picture(plain[index]["pixels"]), data.label_names[labels[index]])
            rows.append([face, *(Tile(picture(version)) for version in (versions * 255).round().byte())])
        contact_sheet(rows, args.size).save(args.output, format="PNG")
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot make the contact sheet: {error}")
    print(f"{args.output}: {args.faces} faces, {args.versions} versions of each at strength {args.strength}.")


if __name__ == "__main__":
    main(parse_args())
