"""Scores of the embedding space, by hand."""

import numpy as np
import pytest

from grefel_train.evaluation.embedding_space import anchor_usage, cluster_scores


def test_embedding_scores_and_anchor_usage():
    embeddings = np.array([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0]])
    scores = cluster_scores(embeddings, np.array([0, 0, 1, 1]))
    assert scores["davies_bouldin"] == pytest.approx((1 + 1) / 10)
    assert scores["calinski_harabasz"] == pytest.approx((4 * 25 / 1) / (4 * 1 / 2))
    assert np.isnan(cluster_scores(embeddings, np.zeros(4, int))["davies_bouldin"])
    usage = anchor_usage(np.array([0, 0, 3, 2]), np.array([0, 1, 1, 1]), 2, ["a", "b"])
    assert usage == {"images": {"a": [2, 0], "b": [1, 1]}, "anchors": 4, "dead": 1, "purity": 0.75}
