"""Figures as JSON."""

import json
import math

import numpy as np
import pytest
import torch

from grefel_train.evaluation.measure import as_json, classification_metrics, json_text, view_metrics


def test_metrics_file_reads_back_and_keeps_short_lists_on_a_line():
    metrics = {"names": ["a, b", "[c]"], "rows": [{"x": [1, 2]}, [[3, 4], []]], "none": None}
    assert json.loads(json_text(metrics)) == metrics
    assert '"x": [ 1, 2 ]' in json_text(metrics)


def test_json_has_no_nan():
    assert as_json({"a": [math.nan, 0.12345678], "b": 3, "c": "x"}) == {"a": [None, 0.123457], "b": 3, "c": "x"}


@pytest.mark.parametrize("clusters", [None, np.arange(40)])
def test_a_class_that_is_never_recognised_may_still_be_at_times(clusters):
    labels = torch.tensor([0] * 36 + [1] * 4)
    answers = torch.tensor([[0.9, 0.1]]).expand(40, -1)
    view = view_metrics(answers, answers, labels, ["often", "rare"], clusters, 0, 20, "", classification_metrics)
    found = view["corrected"]["intervals"]
    low, high = found["recall_by_class"]["rare"]
    assert low == 0 and (high > 0.4) == (clusters is None)  # clusters have the bootstrap alone
    assert view["corrected"]["recall_by_class"]["rare"] == 0 and found["accuracy"][0] < 0.9 < found["accuracy"][1]
