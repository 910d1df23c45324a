"""Metrics against cases worked by hand and against scikit-learn and torchmetrics."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score, multiclass_recall

from grefel_train.evaluation.metrics import (
    class_metrics,
    classification_metrics,
    confusion_matrix,
    probability_metrics,
    recall_by_class,
    reliability_bins,
)

# Answers 0, 0, 1, 1 with 0.9, 0.6, 0.8, 0.5; the second is wrong.
DISTRIBUTIONS = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.3, 0.5, 0.2]])
LABELS = torch.tensor([0, 1, 1, 1])


@pytest.fixture(scope="module")
def random_case():
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 5, (400,), generator=generator)
    logits = torch.randn(400, 5, generator=generator) + 1.5 * torch.eye(5)[labels]
    return logits.softmax(-1), labels


def test_classification_by_hand():
    metrics = classification_metrics(DISTRIBUTIONS, LABELS)
    assert metrics["accuracy"] == 0.75 and metrics["samples"] == 4
    # Recalls 1 and 2/3; F1 2/3 and 4/5. The third class has no image and does not count.
    assert metrics["macro_recall"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # Each answer is alone in its bin: distances 0.1, 0.6, 0.2, 0.5.
    assert metrics["expected_calibration_error"] == pytest.approx(1.4 / 4)


def test_an_answer_of_a_class_without_images_is_only_an_error():
    metrics = classification_metrics(torch.tensor([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]]), torch.tensor([0, 0]))
    assert metrics["macro_recall"] == metrics["accuracy"] == 0.5
    recall = recall_by_class(DISTRIBUTIONS, LABELS, ["a", "b", "c"])
    assert recall["b"] == pytest.approx(2 / 3) and math.isnan(recall["c"])


def test_probabilities_by_hand():
    metrics = probability_metrics(DISTRIBUTIONS, LABELS)
    assert metrics["maximum_calibration_error"] == pytest.approx(0.6)
    assert metrics["overconfidence"] == pytest.approx(0.7 - 0.75)
    squares = (0.01 + 0.01) + (0.36 + 0.36) + (0.04 + 0.04) + (0.09 + 0.25 + 0.04)
    assert metrics["brier_score"] == pytest.approx(squares / 4)
    likelihoods = [0.9, 0.4, 0.8, 0.5]
    assert metrics["negative_log_likelihood"] == pytest.approx(-np.log(likelihoods).mean())
    # The wrong answer's 0.6 is below 0.9 and 0.8, above 0.5.
    assert metrics["top_probability_auroc"] == pytest.approx(2 / 3)


def test_a_probability_of_exactly_one_is_in_the_last_bin():
    distributions = torch.tensor([[1.0, 0.0], [0.95, 0.05]])
    labels = torch.tensor([0, 1])
    bins = reliability_bins(distributions, labels)
    assert bins[-1]["samples"] == 2 and bins[-1]["accuracy"] == 0.5
    assert classification_metrics(distributions, labels)["expected_calibration_error"] == pytest.approx(0.475)


def test_bins_add_up_to_the_calibration_errors(random_case):
    bins = [row for row in reliability_bins(*random_case) if row["samples"]]
    gaps = [abs(row["confidence"] - row["accuracy"]) for row in bins]
    weights = [row["samples"] / 400 for row in bins]
    assert classification_metrics(*random_case)["expected_calibration_error"] == pytest.approx(np.dot(gaps, weights))
    assert probability_metrics(*random_case)["maximum_calibration_error"] == pytest.approx(max(gaps), abs=1e-6)


def test_against_the_libraries(random_case):
    distributions, labels = random_case
    truth, answers = labels.numpy(), distributions.argmax(-1).numpy()
    metrics = classification_metrics(*random_case) | probability_metrics(*random_case)
    assert metrics["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, answers))
    assert metrics["macro_recall"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, answers))
    assert metrics["macro_recall"] == pytest.approx(multiclass_recall(distributions, labels, 5, average="macro").item())
    assert metrics["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(truth, answers, average="macro"))
    assert metrics["macro_f1"] == pytest.approx(multiclass_f1_score(distributions, labels, 5, average="macro").item())
    expected = multiclass_calibration_error(distributions, labels, 5, n_bins=15).item()
    assert metrics["expected_calibration_error"] == pytest.approx(expected, abs=1e-6)
    loss = sklearn.metrics.log_loss(truth, distributions.numpy())
    assert metrics["negative_log_likelihood"] == pytest.approx(loss, abs=1e-6)
    entropies = torch.distributions.Categorical(distributions).entropy().numpy()
    area = sklearn.metrics.roc_auc_score(truth == answers, -entropies)
    assert metrics["confidence_auroc"] == pytest.approx(area, abs=1e-4)
    confusion = confusion_matrix(distributions, labels)
    assert np.array_equal(confusion.numpy(), sklearn.metrics.confusion_matrix(truth, answers))
    by_class = class_metrics(confusion)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(truth, answers)
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        np.testing.assert_allclose(by_class[name].numpy(), values, rtol=1e-6)


def test_what_cannot_be_told_is_nan():
    all_right = torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 0])
    assert math.isnan(probability_metrics(*all_right)["confidence_auroc"])
    assert math.isnan(class_metrics(confusion_matrix(*all_right))["precision"][1])
