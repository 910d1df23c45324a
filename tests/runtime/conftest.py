"""Exports that are made once, and a cache of their own."""

import pytest
import torch

from grefel_hf import GReFELForImageClassification
from grefel_hf.runtime import cache as onnx_cache
from grefel_hf.runtime import graph as making
from grefel_hf.runtime.graph import onnx_graph
from tests.helpers.tiny import tiny_config


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for graphs."""
    folder = tmp_path / "onnx"
    monkeypatch.setattr(onnx_cache, "cache_folder", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def graph():
    """The graph of `tiny_model`, exported once."""
    torch.manual_seed(0)
    return onnx_graph(GReFELForImageClassification(tiny_config()).eval())


@pytest.fixture
def exports(graph, monkeypatch) -> list:
    """What was exported for the cache; the exports themselves are spared."""
    models = []
    monkeypatch.setattr(making, "onnx_graph", lambda model: models.append(model) or graph)
    return models
