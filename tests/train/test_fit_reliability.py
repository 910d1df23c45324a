"""The script, on a tiny model: it fits to the images that were kept out, and evaluation checks what it fitted."""

import json

import numpy as np
import pytest

import evaluate
import fit_reliability
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.reliability import load_reliability
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.tiny import LABELS, tiny_config
from tests.helpers.training_runs import write_faces


@pytest.fixture
def checkpoint(tmp_path):
    model = GReFELForImageClassification(tiny_config())
    model.save_pretrained(tmp_path / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def fit(*arguments):
    fit_reliability.main(fit_reliability.parse_args([str(argument) for argument in arguments]))


FEW = ("--disturbed", 4, "--no_faces", 4, "--runtime", "torch")


def test_a_checkpoint_gets_its_file_and_evaluation_checks_it(checkpoint, tmp_path, capsys):
    data = ["--train_dir", write_faces(tmp_path / "faces", 40, tuple(LABELS)), "--validation_fraction", 0.3]
    fit("--model", checkpoint, *data, "--calibration_fraction", 0.5, *FEW)
    said = capsys.readouterr().err
    assert "nothing tells whether these images were kept out" in said and "faces say little of how often" in said
    found = load_reliability(checkpoint, LABELS)
    assert found.answerability is not None and 0 < found.answerability.threshold < 1
    measured = json.loads((checkpoint / "reliability.json").read_text())["measured"]
    assert measured["kept_out_faces"] == 13 and "noise 5" in measured["disturbances_that_make_unreadable"]
    output = tmp_path / "evaluation.json"
    options = ["--resamples", 0, "--no-mirror", "--dataloader_num_workers", 0, "--output", output]
    evaluate.main([str(word) for word in ("--model", checkpoint, *data, *options)])
    certainty = json.loads(output.read_text())["certainty"]
    assert certainty["prediction_sets"]["0.9"]["mean_size"] >= 1 and 0 <= certainty["rejection"]["auroc"] <= 1


def test_votes_of_ferplus_that_name_no_emotion_are_crops_that_nobody_can_read(tmp_path):
    votes = np.zeros((6, 10), int)
    votes[np.arange(6), [0, 1, 8, 9, 0, 8]] = 9
    votes[5, 8] = 1  # a single vote does not count
    write_ferplus(tmp_path, "train", votes)
    args = fit_reliability.parse_args(["--model", "m", "--dataset_dir", str(tmp_path)])
    assert len(fit_reliability.unreadable_faces(args)) == 2
    args = fit_reliability.parse_args(["--model", "m", "--train_dir", str(tmp_path)])
    assert fit_reliability.unreadable_faces(args) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--calibration_fraction must be that of the training run"),
        (("--calibration_fraction", 0.05), "3 images were kept out of training: there have to be 8"),
    ],
)
def test_too_little_is_refused_in_a_sentence(checkpoint, tmp_path, words, message):
    data = ["--train_dir", write_faces(tmp_path / "faces", 12, tuple(LABELS)), "--validation_fraction", 0]
    with pytest.raises(SystemExit, match=message):
        fit("--model", checkpoint, *data, *words, *FEW)
    assert not (checkpoint / "reliability.json").exists()


def test_a_run_that_trained_on_these_images_is_refused(checkpoint, tmp_path):
    (checkpoint / "all_results.json").write_text(json.dumps({"args": {"calibration_fraction": 0.0}}))
    data = ["--train_dir", write_faces(tmp_path / "faces", 40, tuple(LABELS)), "--validation_fraction", 0.3]
    with pytest.raises(SystemExit, match="it has trained on those"):
        fit("--model", checkpoint, *data, "--calibration_fraction", 0.5, *FEW)
