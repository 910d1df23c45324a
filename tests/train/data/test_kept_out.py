"""The images that are kept out of training, in the classes of the model that they are for."""

import numpy as np
import pytest
from datasets import Image, concatenate_datasets

from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.data.kept_out import load_kept_out
from grefel_train.data.splits import class_ids
from grefel_train.flags import FlagParser
from tests.helpers.training_runs import write_faces


def kept_out(tmp_path, label_names, *words):
    parser = FlagParser()
    parser.add_argument("--model")
    add_data_arguments(parser)
    add_label_map_argument(parser.add_argument)
    words = ["--train_dir", tmp_path, "--validation_fraction", 0, "--calibration_fraction", 0.5, *words]
    return load_kept_out(parser.parse_args(["--model", str(tmp_path), *map(str, words)]), label_names)


def test_labels_are_those_of_the_model_by_name(tmp_path):
    folder = write_faces(tmp_path / "faces", 12, ("happy", "neutral", "surprise"))  # in this order for `datasets`
    data = kept_out(folder, ("neutral", "surprise", "happiness"))
    assert data.label_names == ("neutral", "surprise", "happiness")
    images = concatenate_datasets([data.train, data.calibration])
    folders = [image["path"].split("/")[-2] for image in images.cast_column("image", Image(decode=False))["image"]]
    assert [("neutral", "surprise", "happy")[label] for label in class_ids(images)] == folders
    assert len(data.calibration) == 6 and np.bincount(class_ids(data.calibration)).tolist() == [2, 2, 2]


def test_a_class_that_the_model_lacks_is_refused_by_name(tmp_path):
    folder = write_faces(tmp_path / "faces", 12, ("boredom", "neutral", "surprise"))
    with pytest.raises(ValueError, match=r"does not know boredom: .* \(neutral, surprise, fear\), .*: boredom="):
        kept_out(folder, ("neutral", "surprise", "fear"))
    data = kept_out(folder, ("neutral", "surprise", "fear"), "--label_map", "boredom=")
    assert len(data.calibration) == 4 and data.label_names == ("neutral", "surprise", "fear")
