"""What the evaluation computes beyond single metrics, on cases worked by hand."""

import itertools
import json
import math

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch

from grefel_train.evaluation.agreement import agreement_metrics, metrics_by_agreement
from grefel_train.evaluation.balancing import balancing_effect, mean_confidences
from grefel_train.evaluation.bootstrap import intervals, resampled_rows
from grefel_train.evaluation.collect import SmallestDigests, canonical_order
from grefel_train.evaluation.embedding_space import anchor_usage, cluster_scores
from grefel_train.evaluation.gallery import nearest_images
from grefel_train.evaluation.groups import NO_ENTRY, group_metrics
from grefel_train.evaluation.label_map import describe, label_map, map_distributions
from grefel_train.evaluation.measure import as_json, json_text
from grefel_train.evaluation.selective import risk_coverage_curve, selective_metrics, threshold_table

SCORES = torch.tensor([0.2, 0.9, 0.5, 0.7])
CORRECT = torch.tensor([True, True, False, True])


def test_risk_coverage_by_hand():
    # By falling score: right, right, wrong, right.
    risks = risk_coverage_curve(SCORES, CORRECT)
    assert risks.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4])
    metrics = selective_metrics(SCORES, CORRECT)
    assert metrics["area_under_risk_coverage"] == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert metrics["accuracy_at_coverage_50"] == 1.0 and metrics["accuracy_at_coverage_100"] == 0.75
    assert metrics["accuracy_at_coverage_80"] == metrics["accuracy_at_coverage_90"] == 0.75  # at least: all four


def test_equal_scores_count_as_the_mean_over_their_orders():
    scores = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.1, 0.1])
    correct = torch.tensor([False, True, False, False, True, False])
    curves = []
    for middle, last in itertools.product(itertools.permutations([1, 2, 3]), itertools.permutations([4, 5])):
        order = [0, *middle, *last]
        errors = np.cumsum(~correct[order].numpy())
        curves.append(errors / np.arange(1, 7))
    np.testing.assert_allclose(risk_coverage_curve(scores, correct).numpy(), np.mean(curves, 0))


def test_threshold_table_by_hand():
    table = threshold_table(SCORES, CORRECT, (0.0, 0.5, 0.95))
    assert [row["coverage"] for row in table] == [1.0, 0.75, 0.0]
    assert table[1]["accuracy"] == pytest.approx(2 / 3) and math.isnan(table[2]["accuracy"])


def test_agreement_by_hand():
    votes = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    model = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.7, 0.2, 0.1]])
    metrics = agreement_metrics(votes, model)
    assert metrics["accuracy"] == pytest.approx(1 / 3)  # of equal votes the first class counts
    assert metrics["people_top_in_model_top_2"] == pytest.approx(2 / 3)
    assert metrics["model_top_in_people_top_2"] == 1.0  # both classes of 0.2 are second
    no_votes_for_it = agreement_metrics(torch.tensor([[1.0, 0.0, 0.0]] * 2), torch.tensor([[0.1, 0.8, 0.1]] * 2))
    assert no_votes_for_it["model_top_in_people_top_2"] == 0.0


def test_divergences_against_scipy():
    random = np.random.default_rng(0)
    votes = random.dirichlet([0.5] * 4, 50).astype(np.float32)
    votes[:10] = np.eye(4)[random.integers(0, 4, 10)]
    model = random.dirichlet([1.0] * 4, 50).astype(np.float32)
    metrics = agreement_metrics(torch.from_numpy(votes), torch.from_numpy(model))
    kl = np.mean([scipy.stats.entropy(p, q) for p, q in zip(votes, model)])
    js = np.mean([scipy.spatial.distance.jensenshannon(p, q) ** 2 for p, q in zip(votes, model)])
    assert metrics["kl_divergence"] == pytest.approx(kl, rel=1e-4)
    assert metrics["js_divergence"] == pytest.approx(js, rel=1e-4)
    entropies = scipy.stats.entropy(votes, axis=1), scipy.stats.entropy(model, axis=1)
    assert metrics["uncertainty_correlation"] == pytest.approx(scipy.stats.spearmanr(*entropies)[0], abs=1e-3)


def test_levels_of_agreement_are_bounded_as_they_say():
    votes = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]])
    rows = metrics_by_agreement(votes, torch.full((5, 2), 0.5))
    assert [(row["level"], row["samples"]) for row in rows] == [
        ("all agree", 1),
        ("80 to 99 %", 2),
        ("60 to 79 %", 1),
        ("below 60 %", 1),
    ]


def test_balancing_by_hand():
    labels = torch.tensor([0, 0, 1, 1, 2])
    primary = torch.eye(3)[[0, 1, 0, 1, 0]]
    corrected = torch.eye(3)[[1, 0, 1, 1, 1]]
    effect = balancing_effect(primary, corrected, labels, ["a", "b", "c"])
    assert (effect["labels_changed"], effect["mended"], effect["spoilt"]) == (4, 2, 1)
    assert effect["by_class"]["a"] == {"labels_changed": 2, "mended": 1, "spoilt": 1}
    assert effect["by_class"]["c"] == {"labels_changed": 1, "mended": 0, "spoilt": 0}
    means = mean_confidences({"primary": torch.full((5, 3), 1 / 3), "corrected": corrected}, labels)
    assert means["primary"]["all"] == pytest.approx(0, abs=1e-6) and means["corrected"]["wrong"] == pytest.approx(1)
    assert set(means) == {"primary", "corrected"}


def test_intervals_are_those_of_the_binomial():
    correct = torch.cat([torch.ones(320), torch.zeros(80)])
    (low, high) = intervals(lambda rows: {"accuracy": correct[rows].mean().item()}, 400, 0, 2000)["accuracy"]
    expected = scipy.stats.binom.ppf([0.025, 0.975], 400, 0.8) / 400
    assert [low, high] == pytest.approx(expected.tolist(), abs=0.006)
    again = intervals(lambda rows: {"accuracy": correct[rows].mean().item()}, 400, 0, 2000)["accuracy"]
    assert again == [low, high]


def test_clusters_are_drawn_as_a_whole():
    clusters = np.array([4, 4, 4, -1, 2, 2, -1])
    for rows in itertools.islice(resampled_rows(7, 0, 20, clusters), 20):
        counts = np.bincount(rows.numpy(), minlength=7)
        assert counts[0] == counts[1] == counts[2] and counts[4] == counts[5]
    # Frames that are all right or all wrong by video say far less than as many single images.
    correct = torch.arange(20).repeat_interleave(50) < 15
    statistic = lambda rows: {"accuracy": correct[rows].float().mean().item()}  # noqa: E731
    single = intervals(statistic, 1000, 0, 300)["accuracy"]
    videos = intervals(statistic, 1000, 0, 300, np.arange(20).repeat(50))["accuracy"]
    assert np.diff(videos) > 4 * np.diff(single)


def test_an_interval_leaves_out_resamples_without_the_figure():
    found = intervals(lambda rows: {"some": math.nan if 0 in rows else 1.0, "none": math.nan}, 5, 0, 50)
    assert found["some"] == [1.0, 1.0] and np.isnan(found["none"]).all()


def test_groups_gaps_and_warnings():
    labels = torch.zeros(310, dtype=torch.long)
    values = ["young"] * 150 + ["old"] * 120 + ["few"] * 30 + [NO_ENTRY] * 10
    answers = [0] * 135 + [1] * 15 + [0] * 60 + [1] * 60 + [1] * 30 + [0] * 10
    found = group_metrics(values, torch.eye(2)[answers] * 0.8 + 0.1, labels, 0, 60)
    assert found["groups"]["young"]["accuracy"] == pytest.approx(0.9)
    gap = found["gaps"]["accuracy"]
    assert (gap["lowest"], gap["highest"]) == ("old", "young") and gap["gap"] == pytest.approx(0.4)
    assert gap["interval"][0] > 0.25 and gap["interval"][1] < 0.55
    assert any("few" in text and "30" in text for text in found["warnings"])
    assert any("no entry" in text for text in found["warnings"])
    alone = group_metrics(["a"] * 310, torch.eye(2)[answers], labels, 0, 0)
    assert not alone["gaps"] and any("no gap" in text for text in alone["warnings"])


def test_label_map_by_name_and_by_pairs():
    model = ["neutral", "happiness", "anger"]
    assert label_map(["Anger", "neutral"], model).tolist() == [2, 0]
    mapping = label_map(["joy", "smile", "anger", "contempt"], model, ["joy=happiness", "smile=Happiness", "contempt="])
    assert mapping.tolist() == [1, 1, 2, -1]
    assert describe(mapping, ["joy", "smile", "anger", "contempt"], model)["contempt"] is None
    votes = map_distributions(np.array([[1, 1, 1, 3], [0, 0, 0, 2]]), mapping, 3)
    np.testing.assert_allclose(votes, [[0, 2 / 3, 1 / 3], [0, 0, 0]])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "joy"),
        (["joy=smile"], "neutral, happiness"),
        (["fun=happiness"], "classes of the data are joy"),
        (["joy"], "DATA=MODEL"),
        (["joy="], "all classes"),
    ],
)
def test_a_label_map_that_does_not_fit_says_so(pairs, message):
    with pytest.raises(ValueError, match=message):
        label_map(["joy"], ["neutral", "happiness"], pairs)


def test_embedding_scores_and_anchor_usage():
    embeddings = np.array([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0]])
    scores = cluster_scores(embeddings, np.array([0, 0, 1, 1]))
    assert scores["davies_bouldin"] == pytest.approx((1 + 1) / 10)
    assert scores["calinski_harabasz"] == pytest.approx((4 * 25 / 1) / (4 * 1 / 2))
    assert np.isnan(cluster_scores(embeddings, np.zeros(4, int))["davies_bouldin"])
    usage = anchor_usage(np.array([0, 0, 3, 2]), np.array([0, 1, 1, 1]), 2, ["a", "b"])
    assert usage == {"images": {"a": [2, 0], "b": [1, 1]}, "anchors": 4, "dead": 1, "purity": 0.75}


def test_nearest_images_of_each_anchor():
    embeddings = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    assert nearest_images(embeddings, np.array([[0.9, 0.0], [4.0, 0.0]]), 2).tolist() == [[2, 0], [1, 2]]


def test_a_sample_of_embeddings_does_not_depend_on_the_order():
    random = np.random.default_rng(0)
    digests, found = random.integers(0, 2**62, 100), []
    for order in (np.arange(100), random.permutation(100)):
        sample = SmallestDigests(10)
        for part in np.array_split(order, 7):
            sample.add(digest=digests[part], row=part)
        found.append(sample.finish()["row"])
    assert found[0].tolist() == found[1].tolist() == np.argsort(digests)[:10].tolist()


def test_canonical_order_goes_by_content():
    digests, labels, groups = np.array([5, 9, 9, 1]), np.array([0, 1, 0, 1]), ["x", "y", "x", "y"]
    first = canonical_order(digests, [labels, groups])
    turned = canonical_order(digests[::-1], [labels[::-1], groups[::-1]])
    assert digests[first].tolist() == digests[::-1][turned].tolist()
    assert labels[first].tolist() == labels[::-1][turned].tolist()


def test_metrics_file_reads_back_and_keeps_short_lists_on_a_line():
    metrics = {"names": ["a, b", "[c]"], "rows": [{"x": [1, 2]}, [[3, 4], []]], "none": None}
    assert json.loads(json_text(metrics)) == metrics
    assert '"x": [ 1, 2 ]' in json_text(metrics)


def test_json_has_no_nan():
    assert as_json({"a": [math.nan, 0.12345678], "b": 3, "c": "x"}) == {"a": [None, 0.123457], "b": 3, "c": "x"}
