"""All of it together."""

import numpy as np
import pytest

from grefel_train.data.splits import class_ids
from tests.helpers.adapter_trees import (
    write_imagefolder,
)
from tests.helpers.face_tables import NAMES, load
from tests.helpers.ferplus_files import write_ferplus

pytestmark = pytest.mark.usefixtures("own_cache")


def test_labels_are_read_without_images(tmp_path):
    write_imagefolder(tmp_path, NAMES, images=2)
    for file in tmp_path.glob("*/*.png"):
        file.write_bytes(b"no image")
    data = load("--train_dir", tmp_path, "--validation_fraction", 0.5)
    assert class_ids(data.train).tolist() == [0, 1, 2]


# Items as tensors.
def test_what_calibration_keeps_is_never_trained_on(tmp_path):
    write_ferplus(tmp_path, "train", 10 * np.eye(10, dtype=np.int8)[np.arange(160) % 8])
    write_ferplus(tmp_path, "validation", 10 * np.eye(10, dtype=np.int8)[np.arange(16) % 8], seed=1)
    plain, kept = (load("--dataset_dir", tmp_path, "--calibration_fraction", share) for share in (0.0, 0.1))
    assert plain.calibration is None and len(plain.train) == 160
    assert len(kept.calibration) == 16 and set(class_ids(kept.calibration)) == set(range(8))
    assert sorted(kept.train["name"][:] + kept.calibration["name"][:]) == sorted(plain.train["name"][:])
    assert len(kept.validation) == len(plain.validation) == 16
    with pytest.raises(ValueError, match="--calibration_fraction"):
        load("--dataset_dir", tmp_path, "--calibration_fraction", 1.5)
