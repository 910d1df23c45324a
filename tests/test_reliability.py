"""reliability.json: what it says of an answer, and that no other file passes for one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.fitted import MOST_BYTES
from grefel_hf.pipeline_grefel import FacialExpressionPipeline
from grefel_hf.reliability import (
    CANNOT_TELL,
    Reliability,
    in_prediction_set,
    load_reliability,
    nonconformity,
    write_reliability,
)
from grefel_hf.results import right_in_100
from tests.helpers.reliability_examples import reliability
from tests.helpers.tiny import LABELS, tiny_config

DISTRIBUTION = np.array([0.15, 0.8, 0.05])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    GReFELForImageClassification(tiny_config()).save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def predict(folder, **answering):
    predictor = FacialExpressionPredictor.from_pretrained(folder, detector="none", runtime="torch", **answering)
    return predictor(Image.new("RGB", (64, 64), (90, 90, 90)))


def test_the_map_goes_straight_between_its_points_and_is_level_beyond():
    found = reliability()
    assert found.expected_accuracy("neutral", 0.5) == pytest.approx((0.65, 0.55, 0.7))
    assert found.expected_accuracy("neutral", 0.0)[0] == 0.4 and found.expected_accuracy("neutral", 1.0)[0] == 0.9
    assert found.expected_accuracy("happiness", 0.2)[0] == 0.6  # a map of its own
    assert found.expected_accuracy("happiness", 0.2, 0.61)[0] == 0.6
    assert found.expected_accuracy("happiness", 0.2, 0.59)[0] == 0.1  # a poor picture


def test_scores_of_the_three_methods():
    assert np.allclose(nonconformity(DISTRIBUTION[None], "lac"), [[0.85, 0.2, 0.95]])
    assert np.allclose(nonconformity(DISTRIBUTION[None], "aps"), [[0.95, 0.8, 1.0]])
    assert np.allclose(nonconformity(DISTRIBUTION[None], "raps"), [[1.05, 0.8, 1.2]])


def test_sets_hold_what_fits_its_class_and_always_the_top():
    thresholds = np.array([0.9, 0.0, 0.9])
    assert in_prediction_set(DISTRIBUTION[None], "lac", thresholds).tolist() == [[True, True, False]]
    assert reliability().prediction_set(DISTRIBUTION) == ("happiness", "neutral")
    assert reliability().prediction_set(DISTRIBUTION, 0.8) == ("happiness",)
    with pytest.raises(ValueError, match=r"levels 0.8, 0.9, 0.95, not for 0.7"):
        reliability().prediction_set(DISTRIBUTION, 0.7)


def test_a_file_gives_back_what_was_written(checkpoint):
    write_reliability(checkpoint, reliability(), {"faces": 3})
    found = load_reliability(checkpoint, LABELS)
    assert found.to_dict() == reliability().to_dict()
    assert json.loads((checkpoint / "reliability.json").read_text())["measured"] == {"faces": 3}


def spoil(path: str, value):
    """The entries with one replaced, named by keys with dots."""
    entries = reliability().to_dict()
    *way, last = path.split(".")
    place = entries
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return entries


CURVE, HEAD = "expected_accuracy.all.", "answerability."


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "its version is not 1"),
        ("labels", ["a", "a", "b"], "no list of different names"),
        ("labels", ["a", "b", ["c"]], "no list of different names"),
        ("labels", ["neutral", "surprise", "happiness"], "not the model's"),
        ("weights_sha256", None, "has no 'weights_sha256'"),
        (CURVE + "accuracy", [0.9, 0.4], "does not rise"),
        (CURVE + "accuracy", [0.4, 1.4], "does not rise from 0 to 1"),
        (CURVE + "accuracy", [0.4], "no numbers"),
        (CURVE + "confidence", [0.2, 0.2], "does not rise"),
        (CURVE + "confidence", [], "no numbers"),
        (CURVE + "low", [0.1, 0.99], "outside of its interval"),
        ("expected_accuracy.by_class", {"joy": {}}, "not among its labels"),
        ("prediction_sets.method", "guess", "none of lac, aps, raps"),
        ("prediction_sets.thresholds", {"0.9": [1, 1, 1]}, "not for the levels"),
        ("prediction_sets.thresholds", {"high": [1, 1, 1]}, "could not convert"),
        ("prediction_sets.thresholds", [], "no attribute"),
        ("prediction_sets", None, "has no 'prediction_sets'"),
        (HEAD + "mean", [float("nan")] * 34, "no numbers"),
        (HEAD + "mean", [1e300] * 34, "no numbers"),
        (HEAD + "mean", ["1"] * 34, "no numbers"),
        (HEAD + "scale", [0.0] * 34, "impossible"),
        (HEAD + "weights", [0.0] * 33, "no numbers"),
        (HEAD + "threshold", [0.5], "no number"),
        (HEAD + "fields", [1], "impossible"),
        ("answerability", 3, "subscriptable"),
    ],
)
def test_what_is_none_of_ours_is_refused_in_one_sentence(checkpoint, path, value, message):
    entries = spoil(path, value) if path != "weights_sha256" else reliability().to_dict()
    if path != "weights_sha256":
        entries["weights_sha256"] = "0" * 64
    (checkpoint / "reliability.json").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=message) as refused:
        load_reliability(checkpoint, LABELS)
    assert "cannot be used" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"version": 1}', " " * (MOST_BYTES + 1)])
def test_other_files_are_refused(checkpoint, content):
    (checkpoint / "reliability.json").write_text(content)
    with pytest.raises(ValueError, match=r"reliability.json cannot be used: "):
        load_reliability(checkpoint, LABELS)


def test_a_file_of_other_weights_is_not_used(checkpoint, caplog):
    (checkpoint / "reliability.json").write_text(json.dumps(reliability().to_dict() | {"weights_sha256": "0" * 64}))
    assert load_reliability(checkpoint, LABELS) is None and "other weights" in caplog.text


def test_faces_without_the_file_are_as_before(checkpoint):
    (checkpoint / "reliability.json").unlink(missing_ok=True)
    (face,) = predict(checkpoint).faces
    assert face.label in LABELS and face.is_answerable is face.expected_accuracy is face.prediction_set() is None
    assert face.to_dict()["prediction_set"] is None
    with pytest.raises(ValueError, match=r"needs the model's reliability.json"):
        predict(checkpoint, answer_only=0.5)


def test_faces_carry_what_was_measured(checkpoint):
    write_reliability(checkpoint, reliability())
    photo = predict(checkpoint)
    (face,) = photo.faces
    assert face.is_answerable and face.label == face.top_label
    assert face.expected_accuracy == reliability().expected_accuracy(face.label, face.confidences["corrected"])[0]
    assert face.prediction_set() == reliability().prediction_set(face.corrected)
    row = photo.to_dataframe().iloc[0]
    assert row["right_in_100"] == round(100 * face.expected_accuracy) < 99
    assert row["could_be"] == " or ".join(face.prediction_set()) and row["is_answerable"]


def test_no_answer_is_said_to_be_right_100_times_in_100():
    shares = [right_in_100(SimpleNamespace(expected_accuracy=share)) for share in (None, 0.834, 0.989, 0.999, 1.0)]
    assert shares == [None, 83, 99, 99, 99]


def test_what_is_not_answerable_gets_no_label_unless_asked_for(checkpoint):
    write_reliability(checkpoint, reliability(bias=-5.0))
    photo = predict(checkpoint)
    (face,) = photo.faces
    assert face.label == CANNOT_TELL and face.is_answerable is False and face.top_label in LABELS
    assert face.expected_accuracy is face.expected_accuracy_interval is face.prediction_set() is None
    assert photo.to_dataframe()["label"].tolist() == [CANNOT_TELL]
    (face,) = predict(checkpoint, answer_all=True).faces
    assert face.label in LABELS and face.is_answerable is False


def test_answer_only_keeps_silent_below_the_share(checkpoint):
    write_reliability(checkpoint, reliability())
    (face,) = predict(checkpoint).faces
    share = face.expected_accuracy
    assert predict(checkpoint, answer_only=share).faces[0].label == face.label
    assert predict(checkpoint, answer_only=min(share + 0.01, 1.0)).faces[0].label == CANNOT_TELL
    with pytest.raises(ValueError, match="opposite"):
        predict(checkpoint, answer_only=0.5, answer_all=True)
    with pytest.raises(ValueError, match="a share above 0"):
        predict(checkpoint, answer_only=90)


def test_a_file_for_another_network_is_refused_when_it_is_asked(checkpoint):
    write_reliability(checkpoint, reliability(width=31))
    with pytest.raises(ValueError, match="another width"):
        predict(checkpoint)


@pytest.mark.parametrize("bias", [5.0, -5.0])
def test_the_pipeline_says_the_same_and_takes_it_along(checkpoint, tmp_path, bias):
    write_reliability(checkpoint, reliability(bias=bias))
    model = GReFELForImageClassification.from_pretrained(checkpoint)
    recognizer = FacialExpressionPipeline(model, image_processor=GReFELImageProcessor.from_pretrained(checkpoint))
    photo = Image.new("RGB", (64, 64), (90, 90, 90))
    (found,) = recognizer(photo, detector="none")
    (face,) = predict(checkpoint).faces
    assert found["label"] == face.label and found["is_answerable"] == face.is_answerable
    assert found["expected_accuracy"] == pytest.approx(face.expected_accuracy, abs=1e-4)
    assert found["prediction_set"] == (None if bias < 0 else list(face.prediction_set()))
    assert recognizer(photo, detector="none", answer_all=True)[0]["label"] in LABELS
    recognizer.save_pretrained(tmp_path)
    assert isinstance(load_reliability(tmp_path, LABELS), Reliability)


def test_a_pipeline_without_the_file_is_as_before(checkpoint):
    (checkpoint / "reliability.json").unlink(missing_ok=True)
    model = GReFELForImageClassification.from_pretrained(checkpoint)
    recognizer = FacialExpressionPipeline(model, image_processor=GReFELImageProcessor.from_pretrained(checkpoint))
    (found,) = recognizer(Image.new("RGB", (64, 64)), detector="none")
    assert found["label"] in LABELS and "is_answerable" not in found
