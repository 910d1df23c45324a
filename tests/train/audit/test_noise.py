import numpy as np
import pytest

from grefel_train.audit.folds import FOLDS, fold_numbers, out_of_fold
from grefel_train.audit.noise import posterior, right_distributions
from grefel_train.audit.observations import Observations


def clusters(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, 4) around a point for each of three classes, and the classes."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    return 3 * np.eye(4)[classes] + random.normal(size=(count, 4)), classes


def observations(features: np.ndarray, corrected: np.ndarray | None = None) -> Observations:
    count = len(features)
    return Observations(
        np.arange(count), np.arange(count), features, corrected, None, np.ones(count), np.zeros((count, 256))
    )


def test_flipped_labels_are_the_likeliest_to_be_wrong():
    features, classes = clusters(300)
    labels = classes.copy()
    flipped = np.arange(0, 300, 20)
    labels[flipped] = (labels[flipped] + 1) % 3
    right = right_distributions(observations(features), labels, np.arange(300), 3, seed=0)
    wrong = 1 - right[np.arange(300), labels]
    first = np.argsort(-wrong)[: len(flipped)]
    assert len(set(first) & set(flipped)) >= len(flipped) - 2
    others = np.where(np.eye(3, dtype=bool)[labels], 0, right)
    assert (others.argmax(1) == classes)[flipped].mean() > 0.8
    assert np.median(wrong[classes == labels]) < 0.05
    np.testing.assert_allclose(right.sum(1), 1)


def test_an_image_is_judged_without_its_own_label_or_that_of_a_copy():
    features, labels = clusters(60)
    features[1] = features[0]  # a copy, in another class
    groups = np.arange(60)
    groups[1] = 0
    folds = fold_numbers(labels, groups, seed=0)
    assert folds[0] == folds[1] and set(folds) == set(range(FOLDS))
    before = out_of_fold(features, labels, folds, 3, 0.1)
    labels[[0, 1]] = 2
    assert (out_of_fold(features, labels, folds, 3, 0.1)[[0, 1]] == before[[0, 1]]).all()


def test_a_class_that_a_fold_lacks_gets_nothing_there():
    features, labels = clusters(30)
    labels[0] = 3  # the only one
    found = out_of_fold(features, labels, fold_numbers(labels, np.arange(30), 0), 5, 0.1)
    assert found[0, 3] == 0 and (found[:, 4] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


def test_what_the_checkpoint_says_counts():
    features, labels = clusters(60)
    corrected = np.full((60, 3), 0.01) + 0.97 * np.eye(3)[labels]
    corrected[7] = [0.01, 0.01, 0.98]
    labels[7] = 0
    blind = right_distributions(observations(np.zeros((60, 1))), labels, np.arange(60), 3, seed=0)
    helped = right_distributions(observations(np.zeros((60, 1)), corrected), labels, np.arange(60), 3, seed=0)
    assert helped[7, 0] < blind[7, 0] - 0.05


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_rate_of_errors_is_found(share):
    """Labels drawn from expectations, some of them then made wrong."""
    random = np.random.default_rng(0)
    expected = random.dirichlet([0.2] * 4, 20_000)
    truth = (random.random((20_000, 1)) > expected.cumsum(1)).sum(1).clip(max=3)
    flipped = random.random(20_000) < share
    labels = np.where(flipped, (truth + random.integers(1, 4, 20_000)) % 4, truth)
    wrong = 1 - posterior(expected, expected, labels)[np.arange(20_000), labels]
    assert wrong.mean() == pytest.approx(share, rel=0.25)
    assert flipped[wrong > 0.8].mean() > 0.75 and flipped[wrong < 0.2].mean() < share


def test_too_few_images_are_told():
    with pytest.raises(ValueError, match="there are 3 different images: an audit takes 5 at least"):
        right_distributions(observations(np.zeros((3, 1))), np.array([0, 1, 0]), np.arange(3), 2, seed=0)
