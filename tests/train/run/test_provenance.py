"""What a run notes of where it comes from."""

import json
import platform

import pytest
import torch

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT, weights_file_digest
from grefel_hf.files import file_digest
from grefel_train.run.provenance import data_of, provenance, run_origin, starting_weights
from train import parse_args


def arguments(*flags):
    return parse_args(["--output_dir", "out", *map(str, flags)])


def test_records_have_python_hardware_and_threads():
    record = provenance()
    assert record["python"] == platform.python_version() and record["threads"] == torch.get_num_threads()
    assert "cores" in record["hardware"] or " x " in record["hardware"]


def test_records_have_the_digest_of_the_starting_weights(tmp_path):
    (tmp_path / "backbone.safetensors").write_bytes(b"weights")
    found = starting_weights(
        arguments("--model_name_or_path", BUNDLED_CHECKPOINT, "--image_backbone", tmp_path / "backbone.safetensors")
    )
    assert found["image_backbone"]["sha256"] == file_digest(tmp_path / "backbone.safetensors")
    assert found["model_name_or_path"]["sha256"] == weights_file_digest(BUNDLED_CHECKPOINT)
    assert found["model_name_or_path"]["trained_on"] == ["ferplus"]
    assert starting_weights(arguments()) == {}


def test_what_the_start_had_been_trained_on_is_handed_on(tmp_path):
    (tmp_path / "best").mkdir()
    before = {"starting_weights": {"model_name_or_path": {"trained_on": ["ferplus"]}}}
    results = {"args": {"train_dir": "/data/my_faces/train"}, **before}
    (tmp_path / "all_results.json").write_text(json.dumps(results))
    found = starting_weights(arguments("--model_name_or_path", tmp_path / "best"))
    assert found["model_name_or_path"]["trained_on"] == ["ferplus", "my_faces"]


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "origin.json").write_text("{")
    with pytest.raises(ValueError, match="origin.json is no JSON"):
        run_origin(tmp_path, arguments(), 3)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"train_dir": "/data/my_faces/train"}, "my_faces"),
        ({"train_dir": "my_faces"}, "my_faces"),
        ({"dataset_name": "user/faces"}, "user/faces"),
        ({"dataset_name": "/data/faces.csv"}, "faces.csv"),
        ({"dataset_format": "rafdb"}, "rafdb"),
        ({}, "ferplus"),
    ],
)
def test_data_by_a_name_that_says_which(arguments, name):
    assert data_of(arguments) == name
