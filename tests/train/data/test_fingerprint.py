"""A fingerprint moves with the data and with nothing else."""

import shutil

import pytest
from PIL import Image

from grefel_train.data.fingerprint import check_kept_out, data_fingerprint
from tests.helpers.adapter_trees import write_imagefolder
from tests.helpers.face_tables import faces, load


def test_it_tells_images_labels_and_order(tmp_path):
    prints = [data_fingerprint(data) for data in (faces([0, 1, 0]), faces([0, 1, 0]), faces([1, 0, 0]))]
    assert prints[0] == prints[1] != prints[2]
    assert data_fingerprint(faces([0, 1, 0]).select([0, 2, 1])) != prints[0]
    assert data_fingerprint(None) is None and data_fingerprint(faces([0]).to_iterable_dataset()) is None


def test_folders_have_the_same_one_wherever_they_lie(tmp_path, own_cache):
    write_imagefolder(tmp_path / "a" / "faces", ("anger", "fear"), images=2)
    shutil.copytree(tmp_path / "a" / "faces", tmp_path / "b" / "faces")

    def fingerprint(place):
        return data_fingerprint(load("--train_dir", place / "faces", "--validation_fraction", 0).train)

    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    Image.new("RGB", (99, 99), "red").save(tmp_path / "b" / "faces" / "anger" / "0.png")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"data": {"calibration": None}, "args": {"calibration_fraction": 0.0}}, "it has trained on those"),
        ({"args": {}}, "it has trained on those"),
        ({"data": {"calibration": "other"}, "args": {"calibration_fraction": 0.1}}, "not the images that"),
    ],
)
def test_a_run_that_trained_on_these_images_is_refused(results, message):
    with pytest.raises(ValueError, match=message):
        check_kept_out(faces([0, 1, 2]), results, 0.5)
    check_kept_out(faces([0, 1, 2]), {"data": {"calibration": data_fingerprint(faces([0, 1, 2]))}, "args": {}}, 0.5)
    check_kept_out(faces([0, 1, 2]), {"args": {"calibration_fraction": 0.5}}, 0.5)
