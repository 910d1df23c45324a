"""The command line, as a user runs it."""

import csv
import json
import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from PIL import Image


def run(*arguments, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "grefel_hf", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "160", **environment}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    """A readable photo with a face, one without, and a broken file."""
    folder = tmp_path_factory.mktemp("folder")
    astronaut.save(folder / "astronaut.png")
    Image.new("RGB", (100, 100)).save(folder / "blank.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_one_photo_gives_a_table_and_status_0(astronaut_file):
    done = run(astronaut_file, "--detector", "hog")
    assert done.returncode == 0, done.stderr
    assert "happiness" in done.stdout and "1 face in 1 photo" in done.stdout
    assert "Loading" not in done.stderr


def test_a_folder_goes_on_past_a_broken_file_and_says_so(folder, tmp_path):
    done = run(folder, "--detector", "hog", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    assert "broken.jpg" in done.stderr and "Traceback" not in done.stderr
    photos = json.loads((tmp_path / "out.json").read_text())
    assert [len(photo["faces"]) for photo in photos] == [1, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


def test_csv_has_a_row_per_face(astronaut_file, tmp_path):
    done = run(astronaut_file, astronaut_file, "--detector", "none", "--csv", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader((tmp_path / "out.csv").open())  # a photo named twice is one photo
    assert float(row["corrected_happiness"]) >= 0 and row["face"] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg"], "nowhere.jpg"),
        (["README.md", "--model", "no/such/folder"], "no/such/folder"),
    ],
)
def test_what_cannot_work_ends_with_one_message_and_status_2(arguments, message):
    done = run(*arguments, "--detector", "none")
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", "") and "Traceback" not in done.stderr


def test_shared_photos_have_enough_faces(shared, tmp_path):
    photos = shared / "photos"
    yunet = {"GREFEL_YUNET": str(shared / "models" / "face_detection_yunet.onnx")}
    for detector, least, most in (("hog", 19, 22), ("yunet", 22, 22)):
        out = tmp_path / f"{detector}.json"
        done = run(photos, "--detector", detector, "--json", out, **yunet)
        assert done.returncode == 0, done.stderr
        faces = [face for photo in json.loads(out.read_text()) for face in photo["faces"]]
        assert least <= len(faces) <= most
