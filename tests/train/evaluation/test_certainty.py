"""Figures of what reliability.json promises."""

import numpy as np
import pytest
import torch

from grefel_train.evaluation.certainty import (
    answer_only_table,
    calibration_error,
    certainty_metrics,
    prediction_set_metrics,
    rejection_metrics,
)
from grefel_train.evaluation.robustness import certainty_summary
from tests.helpers.reliability_examples import reliability

SURE, UNSURE = [0.98, 0.01, 0.01], [0.4, 0.3, 0.3]


def test_only_what_is_answered_counts_and_a_sure_error_is_told():
    distributions = torch.tensor([SURE, SURE, SURE, UNSURE])
    labels = torch.tensor([0, 1, 1, 1])
    found = certainty_metrics(reliability(), distributions, np.array([0.9, 0.9, 0.1, 0.9]), labels)
    assert found["answered"] == 0.75 and found["accuracy_of_answered"] == pytest.approx(1 / 3)
    assert found["wrong_and_sure"] == 0.25
    # Two answers with an expected accuracy of 0.9, one of them right; one with 0.4, which is wrong.
    assert found["expected_calibration_error"] == pytest.approx((0.8 + 0.4) / 3)
    everything = certainty_metrics(reliability(), distributions, None, labels)
    assert everything["answered"] == 1 and everything["wrong_and_sure"] == 0.5


def test_the_more_is_asked_of_an_answer_the_fewer_there_are():
    distributions = torch.tensor([SURE, SURE, SURE, UNSURE])
    labels = torch.tensor([0, 1, 1, 1])
    table = answer_only_table(reliability(), distributions, np.array([0.9, 0.9, 0.1, 0.9]), labels)
    by_least = {row["right_in_100"]: (row["coverage"], row["accuracy"]) for row in table}
    # Two answers with an expected accuracy of 0.9, one with 0.4; the third face is none that can be read.
    assert by_least[0] == by_least[40] == (0.75, pytest.approx(1 / 3))
    assert by_least[41] == by_least[90] == (0.5, 0.5) and 91 not in by_least


def test_poor_pictures_are_expected_to_be_right_less_often():
    found = certainty_metrics(reliability(), torch.tensor([SURE]), np.array([0.55]), torch.tensor([0]))
    assert found["expected_calibration_error"] == pytest.approx(0.7)  # 1 - 0.3


def test_sets_are_of_what_is_answered():
    distributions, labels = torch.tensor([SURE, UNSURE, UNSURE]), torch.tensor([1, 1, 1])
    found = prediction_set_metrics(reliability(), distributions, np.array([0.9, 0.9, 0.0]), labels)
    assert found["0.9"]["samples"] == 2 and found["0.9"]["coverage"] == 0.5 and found["0.9"]["mean_size"] == 2
    assert found["0.9"]["by_class"]["happiness"]["samples"] == 2


def test_rejection_has_each_kind_with_equal_weight():
    others = {"texture": np.array([0.1, 0.2, 0.3, 0.6]), "patch": np.array([0.7])}
    found = rejection_metrics(reliability(), np.array([0.9, 0.4]), others)
    assert found["no_faces_answered_by_kind"] == {"texture": 0.25, "patch": 1.0}
    assert found["no_faces_answered"] == 0.625 and found["faces_answered"] == 0.5
    assert found["auroc"] == pytest.approx(0.8)


def test_calibration_error_of_none_is_no_number():
    assert np.isnan(calibration_error(np.array([]), np.array([], bool)))
    assert calibration_error(np.array([0.8, 0.8, 1.0]), np.array([True, False, True])) == pytest.approx(0.2)


def test_disturbances_count_by_what_they_leave_to_answer():
    steps = [
        {"answered": 1.0, "accuracy_of_answered": 0.9, "expected_calibration_error": 0.02, "wrong_and_sure": 0.05},
        {"answered": 0.5, "accuracy_of_answered": 0.6, "expected_calibration_error": 0.08, "wrong_and_sure": 0.1},
        {"answered": 0.0, "accuracy_of_answered": np.nan, "expected_calibration_error": np.nan, "wrong_and_sure": 0.0},
    ]
    found = certainty_summary({"noise": [{"certainty": step} for step in steps]})
    assert found["expected_calibration_error"] == pytest.approx(0.04) and found["answered"] == 0.5
    assert found["accuracy_of_answered"] == pytest.approx(0.8) and found["most_wrong_and_sure"] == 0.1
