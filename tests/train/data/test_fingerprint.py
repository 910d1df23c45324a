"""A fingerprint moves with the data and with nothing else."""

import shutil

from PIL import Image

from grefel_train.data.fingerprint import data_fingerprint
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
