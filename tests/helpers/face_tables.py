"""Saved datasets of faces for the tests of loading and of reading."""

import datasets
from datasets import Dataset, DatasetDict
from PIL import Image

from grefel_train.data.arguments import add_data_arguments
from grefel_train.data.loading import FaceData, load_face_data
from grefel_train.flags import FlagParser
from tests.helpers.adapter_trees import grey

# Not alphabetical, so that an order which is lost shows.
NAMES = ("sadness", "happiness", "anger")


def load(*flags, splits=("train", "validation"), label_map=()) -> FaceData:
    parser = FlagParser()
    add_data_arguments(parser)
    return load_face_data(parser.parse_args(list(map(str, flags))), splits, label_map)


def faces(labels: list, label_feature=None, **columns) -> Dataset:
    """A dataset of plain images, whose brightness is that of the row's number."""
    images = [Image.new("L", (16, 16), grey(row)) for row in range(len(labels))]
    data = Dataset.from_dict({"image": images, **columns}).cast_column("image", datasets.Image())
    return data.add_column("label", labels, feature=label_feature)


def save(folder, train: Dataset, validation: Dataset | None = None):
    """--dataset_name flags of a saved dataset; without a validation split, all rows are for training."""
    DatasetDict({"train": train} | ({"validation": validation} if validation else {})).save_to_disk(folder / "saved")
    return ["--dataset_name", folder / "saved", "--validation_fraction", 0]
