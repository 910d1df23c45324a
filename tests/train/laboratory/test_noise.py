"""Wrong labels are as many, and of the kind, that was asked for."""

import numpy as np
import pytest

from grefel_train.laboratory.noise import Noise, wrong_labels

LABELS = np.arange(4000) % 4


def random():
    return np.random.default_rng(0)


def votes() -> np.ndarray:
    """Three quarters for the label, one quarter for the class after it."""
    return 0.75 * np.eye(4)[LABELS] + 0.25 * np.eye(4)[(LABELS + 1) % 4]


def test_any_other_class():
    changed, wrong = wrong_labels(LABELS, 0.4, 4, random())
    assert wrong.sum() == 1600 and ((changed != LABELS) == wrong).all()
    assert np.bincount((changed - LABELS)[wrong] % 4).tolist() == pytest.approx([0, 533, 533, 533], abs=60)


def test_as_people_confuse():
    changed = Noise.parse("confused-0.2").labels(LABELS, votes(), 4, random())
    wrong = changed != LABELS
    assert wrong.sum() == 800 and ((changed[wrong] - LABELS[wrong]) % 4 == 1).mean() > 0.99


def test_the_vote_of_one_tagger():
    changed = Noise.parse("tagger").labels(LABELS, votes(), 4, random())
    assert np.bincount((changed - LABELS) % 4, minlength=4).tolist() == pytest.approx([3000, 1000, 0, 0], abs=100)
    with pytest.raises(ValueError, match="--noise tagger needs images with votes"):
        Noise.parse("tagger").labels(LABELS, None, 4, random())


@pytest.mark.parametrize("text", ["0", "0.2", "confused-0.4", "tagger"])
def test_names(text):
    assert str(Noise.parse(text)) == text


@pytest.mark.parametrize("text", ["1", "-0.1", "often", "wrong-0.2", "confused-2", "nan"])
def test_names_of_nothing(text):
    with pytest.raises(ValueError):
        Noise.parse(text)
