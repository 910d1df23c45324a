"""The score of answerability: trained, with thresholds on crops that it has not seen."""

import numpy as np
import pytest

from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.answerability import (
    CLEAR_SHARE,
    MOST_ANSWERED,
    fit_answerability,
    readable,
    with_threshold,
)
from grefel_train.reliability.seen import Seen


def crops(count: int, centre: float, seed: int) -> Seen:
    """Embeddings around a centre."""
    random = np.random.default_rng(seed)
    outputs = {"embedding": random.normal(size=(count, 4)) + centre, "corrected_confidence": random.random(count)}
    return Seen(outputs | {"logits": np.zeros((count, 3))})


def test_it_tells_what_it_was_shown_and_its_threshold_is_of_others():
    head = fit_answerability([(crops(300, 0.0, 0), 1.0)], [(crops(150, 4.0, 1), 1.0), (crops(30, 6.0, 2), 0.5)])
    assert head.fields == ("embedding", "corrected_confidence")
    of_faces, of_others = head(crops(300, 0.0, 3).outputs), head(crops(150, 4.0, 4).outputs)
    head = with_threshold(head, of_faces, of_others)
    assert (of_others >= head.threshold).mean() <= MOST_ANSWERED + 0.01
    assert (of_faces >= head.threshold).mean() > 0.97
    assert abs((of_faces >= head.clear_from).mean() - CLEAR_SHARE) < 0.01


def test_a_group_counts_by_its_weight_not_by_its_size():
    """Of two groups without a face, on either side of the faces, the heavier one is kept out."""
    faces, groups = crops(300, 0.0, 0), (crops(1000, 2.0, 1), crops(20, -2.0, 2))

    def scores(*weights: float) -> list[float]:
        head = fit_answerability([(faces, 1.0)], list(zip(groups, weights)))
        return [float(head(group.outputs).mean()) for group in groups]

    assert scores(1.0, 0.05)[0] < scores(1.0, 0.05)[1] and scores(0.05, 1.0)[1] < scores(0.05, 1.0)[0]


def test_where_it_cannot_tell_most_faces_are_answered_all_the_same():
    head = fit_answerability([(crops(100, 0.0, 0), 1.0)], [(crops(100, 0.0, 1), 1.0)])
    of_faces = head(crops(200, 0.0, 2).outputs)
    head = with_threshold(head, of_faces, head(crops(200, 0.0, 3).outputs))
    assert 0.97 <= (of_faces >= head.threshold).mean() < 1


def test_a_network_without_what_it_looks_at_is_refused_in_a_sentence():
    head = fit_answerability([(crops(100, 0.0, 0), 1.0)], [(crops(100, 4.0, 1), 1.0)])
    with pytest.raises(ValueError, match="made for a network that has embedding: this one has not"):
        head({"corrected_confidence": np.zeros(3)})
    with pytest.raises(ValueError, match="of another width"):
        head({"embedding": np.zeros((3, 5)), "corrected_confidence": np.zeros(3)})


def test_disturbances_are_judged_by_what_they_leave_right():
    conditions = [(kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES for _ in range(10)]
    shares = {("jpeg", 3): 0.4, ("jpeg", 4): 0.9, ("contrast", 5): 0.6}
    right = np.array([i % 10 < 10 * shares.get(c, 0.9) for i, c in enumerate(conditions)])
    found = readable(right, conditions)
    assert found["jpeg", 2] and found["jpeg", 3] is False and found["jpeg", 4] is False  # no better than one below it
    assert found["contrast", 5] is None and found["noise", 5] is False and found["noise", 4]
