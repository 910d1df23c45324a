"""The score of answerability: trained, with thresholds on crops that it has not seen."""

import numpy as np

from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.answerability import (
    CLEAR_SHARE,
    MOST_ANSWERED,
    fit_answerability,
    readable,
    scores,
    with_threshold,
)
from grefel_train.reliability.seen import Seen, joined


def crops(count: int, centre: float, seed: int) -> Seen:
    """Embeddings around a centre, or on a ring around all of them."""
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(count, 4)) + centre
    confidence = {"primary": random.random(count), "corrected": random.random(count)}
    return Seen(np.full((count, 3), 1 / 3), confidence, embeddings)


def test_it_tells_what_it_was_shown_and_its_threshold_is_of_others():
    head = fit_answerability(crops(300, 0.0, 0), joined([crops(150, 4.0, 1), crops(150, -4.0, 2)]))
    faces, others = crops(300, 0.0, 3), joined([crops(150, 4.0, 4), crops(150, -4.0, 5)])
    head = with_threshold(head, faces, others)
    assert (scores(head, others) >= head.threshold).mean() <= MOST_ANSWERED + 0.01
    assert (scores(head, faces) >= head.threshold).mean() > 0.97
    assert abs((scores(head, faces) >= head.clear_from).mean() - CLEAR_SHARE) < 0.01


def test_where_it_cannot_tell_most_faces_are_answered_all_the_same():
    head = fit_answerability(crops(100, 0.0, 0), crops(100, 0.0, 1))
    faces = crops(200, 0.0, 2)
    assert (scores(with_threshold(head, faces, crops(200, 0.0, 3)), faces) >= 0).all()
    head = with_threshold(head, faces, crops(200, 0.0, 3))
    assert (scores(head, faces) >= head.threshold).mean() >= 0.96


def test_disturbances_are_judged_by_what_they_leave_right():
    conditions = [(kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES for _ in range(10)]
    shares = {("jpeg", 3): 0.4, ("jpeg", 4): 0.9, ("contrast", 5): 0.6}
    right = np.array([i % 10 < 10 * shares.get(c, 0.9) for i, c in enumerate(conditions)])
    found = readable(right, conditions)
    assert found["jpeg", 2] and found["jpeg", 3] is False and found["jpeg", 4] is False  # no better than one below it
    assert found["contrast", 5] is None and found["noise", 5] is False and found["noise", 4]
