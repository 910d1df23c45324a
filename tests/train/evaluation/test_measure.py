"""Figures as JSON."""

import json
import math

from grefel_train.evaluation.measure import as_json, json_text


def test_metrics_file_reads_back_and_keeps_short_lists_on_a_line():
    metrics = {"names": ["a, b", "[c]"], "rows": [{"x": [1, 2]}, [[3, 4], []]], "none": None}
    assert json.loads(json_text(metrics)) == metrics
    assert '"x": [ 1, 2 ]' in json_text(metrics)


def test_json_has_no_nan():
    assert as_json({"a": [math.nan, 0.12345678], "b": 3, "c": "x"}) == {"a": [None, 0.123457], "b": 3, "c": "x"}
