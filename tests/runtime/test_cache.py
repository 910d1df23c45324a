"""Graphs in the cache are taken again, or made again where they are damaged."""

import os

import numpy as np
import pytest
import torch

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT, checkpoint_digest
from grefel_hf.runtime import cache as onnx_cache
from grefel_hf.runtime.networks import create_network
from grefel_hf.runtime.onnx_network import OnnxNetwork
from grefel_hf.runtime.torch_network import TorchNetwork

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def pixels(batch: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 3, 64, 64)).astype(np.float32)


def graph_of(model):
    return onnx_cache.graph_file(onnx_cache.model_digest(model))


def test_a_second_start_takes_the_cached_graph(tiny_model, cache, exports):
    create_network(tiny_model, "onnx")
    network = create_network(tiny_model, "onnx")
    assert len(exports) == 1
    np.testing.assert_allclose(network(pixels(2))["logits"], TorchNetwork(tiny_model)(pixels(2))["logits"], atol=1e-4)
    # Other weights and other settings have graphs of their own.
    (file,) = cache.iterdir()
    with torch.no_grad():
        tiny_model.primary_head.output.bias[0] += 1.0
    assert graph_of(tiny_model) != file
    tiny_model.primary_head.output.bias.data[0] -= 1.0
    assert graph_of(tiny_model) == file
    tiny_model.config.layer_norm_eps = 1e-3
    assert graph_of(tiny_model) != file


@pytest.mark.parametrize("damage", ["truncated", "zeros"])
def test_a_damaged_graph_in_the_cache_is_made_again(tiny_model, cache, exports, damage):
    create_network(tiny_model, "onnx")
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    half = len(whole) // 2
    file.write_bytes(whole[:half] + (b"" if damage == "truncated" else bytes(100) + whole[half + 100 :]))
    network = create_network(tiny_model, "onnx")
    np.testing.assert_allclose(network(pixels(2))["logits"], TorchNetwork(tiny_model)(pixels(2))["logits"], atol=1e-4)
    assert len(exports) == 2 and file.read_bytes() == whole and len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(tiny_model, cache, exports):
    cache.write_text("no folder")
    assert isinstance(create_network(tiny_model, "onnx"), OnnxNetwork)


def test_the_cache_keeps_few_graphs(cache, monkeypatch):
    monkeypatch.setattr(onnx_cache, "KEPT_GRAPHS", 2)
    for age, name in enumerate(("c", "a", "b")):
        onnx_cache.store(b"graph", cache / f"{name}.graph")
        os.utime(cache / f"{name}.graph", (age, age))
    assert sorted(path.name for path in cache.iterdir()) == ["a.graph", "b.graph"]


def test_a_graph_that_comes_with_the_package_is_of_its_checkpoint():
    if not onnx_cache.BUNDLED_GRAPH.exists():
        pytest.skip("none comes with it: export_onnx would lay one beside the weights")
    assert OnnxNetwork(onnx_cache.BUNDLED_GRAPH).checkpoint_sha256 == checkpoint_digest(BUNDLED_CHECKPOINT)
