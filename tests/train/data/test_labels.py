"""Labels in every form, what is said of those that do not fit, and targets that are softer or sharper, by hand."""

import numpy as np
import pytest
import torch
from datasets import List, Value

from grefel_train.data.labels import target_distributions
from grefel_train.data.splits import class_ids, training_target_column
from tests.helpers.face_tables import NAMES, faces, load, save

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("feature", [List(Value("int64")), List(Value("float32"), length=3)])
def test_votes_in_a_list(tmp_path, feature):
    flags = save(tmp_path, faces([[2, 1, 1], [0, 0, 5], [1, 3, 0]], feature))
    data = load(*flags, "--label_names", *NAMES)
    assert data.label_names == NAMES and "label" not in data.train.column_names
    assert training_target_column(data.train) == "distribution"
    assert np.allclose(data.train["distribution"], [[0.5, 0.25, 0.25], [0, 0, 1], [0.25, 0.75, 0]])
    assert class_ids(data.train).tolist() == [0, 2, 1]
    assert load(*flags).label_names == ("0", "1", "2")


def test_votes_in_columns(tmp_path):
    votes = {"anger": [1, 0], "sadness": [3, 0], "happiness": [0, 2]}
    train = faces([0, 1], **votes).rename_column("label", "age")
    data = load(*save(tmp_path, train), "--label_names", "sadness", "happiness", "anger")
    assert np.allclose(data.train["distribution"], [[0.75, 0, 0.25], [0, 1, 0]])
    assert data.train["age"] == [0, 1]  # what else there was stays


@pytest.mark.parametrize(
    ("labels", "validation", "message"),
    [
        (["happiness", "sadness", "fear"], [], "Row 2 of train .* unknown label 'fear'; known are sadness, happiness"),
        (["happiness", "sadness", None], [], "Row 2 of train .* has no label"),
        (["happiness", "sadness"], [], "No training image shows anger: add images"),
        (["happiness", "sadness", "anger"], ["happiness", "bored"], "Row 1 of validation .* unknown label 'bored'"),
        ([[1, 0, 0], [0, 0, 0]], [], "Row 1 of train .* has no votes"),
        ([[1, 0, 0], [1, 1]], [], "Row 1 of train .* has 2 values in 'label' for 3 classes"),
        ([[1, 0, 0], None], [], "Row 1 of train .* has 0 values"),
        ([[1, 0, 0], [2, -1, 0]], [], "Row 1 of train .* negative"),
        ([[1.0, 0, 0], [float("nan"), 1, 0]], [], "Row 1 of train .* no numbers"),
        ([[1, 0, 0], [0, 1, 0]], [], "No training image shows anger"),
        ([0, 1, -1], [], "Row 2 of train .* unknown label -1"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, validation, message):
    flags = save(tmp_path, faces(labels), faces(validation) if validation else None)
    with pytest.raises(ValueError, match=message):
        load(*flags, "--label_names", *NAMES)


def test_names_that_differ_in_case_or_spaces_only_are_one_class(tmp_path, caplog):
    names = ["Happy", "happy", "Happy ", "Neutral", "neutral", "Neutral", "Happy"]
    data = load(*save(tmp_path, faces(names), faces(["HAPPY", "neutral"])))
    assert data.label_names == ("Happy", "Neutral")
    assert data.train["label"][:] == [0, 0, 0, 1, 1, 1, 0] and data.validation["label"][:] == [0, 1]
    assert "['Happy', 'Happy ', 'happy'] are one class, 'Happy'" in caplog.text
    assert "['Neutral', 'neutral'] are one class" in caplog.text


def test_class_ids_become_one_hot_rows():
    assert target_distributions(torch.tensor([1, 0]), 2).tolist() == [[0, 1], [1, 0]]


def test_smoothing_mixes_the_uniform_distribution_in():
    assert target_distributions(torch.tensor([1]), 4, smoothing=0.2)[0].tolist() == pytest.approx(
        [0.05, 0.85, 0.05, 0.05]
    )


def test_sharpening_draws_votes_to_the_majority():
    votes = torch.tensor([[0.6, 0.3, 0.1]])
    assert target_distributions(votes, 3, sharpening=2)[0].tolist() == pytest.approx([36 / 46, 9 / 46, 1 / 46])
    assert torch.equal(target_distributions(votes, 3), votes)
