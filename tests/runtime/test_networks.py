"""Networks of all runtimes give the same figures; what is missing or does not fit is said."""

import functools
import logging
import os
import sys

import numpy as np
import pytest
import torch

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.faces.detection import NoDetector
from grefel_hf.onnx_session import OnnxUnavailableError
from grefel_hf.runtime import cache as onnx_cache
from grefel_hf.runtime.networks import TorchNetwork, create_network
from grefel_hf.runtime.onnx_network import GraphMismatchError, OnnxNetwork, check_graph, onnx_graph
from tests.helpers.tiny import tiny_config

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


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
    monkeypatch.setattr(onnx_cache, "onnx_graph", lambda model: models.append(model) or graph)
    return models


def pixels(batch: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize("anchors, attentive, head", [(True, True, True), (False, False, False)])
def test_onnx_gives_every_field_at_every_batch_size(anchors, attentive, head):
    torch.manual_seed(0)
    config = tiny_config(use_anchors=anchors, use_attentive_correction=attentive, landmark_head=head)
    model = GReFELForImageClassification(config).eval()
    network = create_network(model, "onnx")
    assert isinstance(network, OnnxNetwork)
    for batch in (1, 2, 5):
        expected = TorchNetwork(model)(pixels(batch))
        outputs = network(pixels(batch))
        assert outputs.keys() == expected.keys() and ("landmarks" in outputs) == head
        for name, values in expected.items():
            np.testing.assert_allclose(outputs[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_export_leaves_the_model_as_it_is(tiny_model):
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    onnx_graph(tiny_model)
    after = tiny_model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    assert tiny_model.config._attn_implementation == "sdpa"


def test_the_predictor_gives_the_same_with_both(tiny_model, exports, astronaut):
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    results = {}
    for runtime in ("torch", "onnx"):
        network = create_network(tiny_model, runtime)
        predictor = FacialExpressionPredictor(tiny_model, processor, NoDetector(), network=network)
        results[runtime] = predictor(astronaut).faces[0].to_dict()
    for name in ("corrected", "primary", "attentive", "confidences"):
        assert results["onnx"][name] == pytest.approx(results["torch"][name], abs=1e-5), name


def test_a_graph_of_other_weights_is_noticed(tiny_model, graph):
    network = OnnxNetwork(graph)
    check_graph(network, tiny_model)
    with torch.no_grad():
        tiny_model.primary_head.output.bias[0] += 0.01
    with pytest.raises(GraphMismatchError, match="differs"):
        check_graph(network, tiny_model)


def test_auto_takes_onnx_on_a_cpu(tiny_model, exports):
    assert isinstance(create_network(tiny_model), OnnxNetwork)


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_without_its_packages_auto_is_torch_and_onnx_says_how_to_get_them(tiny_model, package, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, package, None)  # its import fails
    with caplog.at_level(logging.WARNING, "grefel_hf"):
        assert isinstance(create_network(tiny_model), TorchNetwork)
    assert not caplog.records
    with pytest.raises(OnnxUnavailableError, match="pip install onnx onnxruntime"):
        create_network(tiny_model, "onnx")


def test_auto_falls_back_to_torch_when_the_graph_is_wrong(tiny_model, exports, monkeypatch, caplog):
    def refuse(*args):
        raise GraphMismatchError("the graph's logits differ")

    monkeypatch.setattr(onnx_cache, "check_graph", refuse)
    with caplog.at_level(logging.WARNING, "grefel_hf"):
        assert isinstance(create_network(tiny_model), TorchNetwork)
    assert "logits differ" in caplog.text
    with pytest.raises(GraphMismatchError):
        create_network(tiny_model, "onnx")


def test_other_devices_run_torch(tiny_model):
    model = tiny_model.to("meta")
    assert isinstance(create_network(model), TorchNetwork)
    with pytest.raises(ValueError, match="runtime='torch'"):
        create_network(model, "onnx")


def test_unknown_runtimes_and_missing_files_are_refused(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="choose one of auto, torch, compile, onnx"):
        create_network(tiny_model, "tensorrt")
    with pytest.raises(FileNotFoundError, match="export_onnx"):
        create_network(tiny_model, tmp_path / "none.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no graph")
    with pytest.raises(ValueError, match="damaged.onnx"):
        create_network(tiny_model, damaged)


def test_a_second_start_takes_the_cached_graph(tiny_model, cache, exports):
    create_network(tiny_model, "onnx")
    network = create_network(tiny_model, "onnx")
    assert len(exports) == 1
    np.testing.assert_allclose(network(pixels(2))["logits"], TorchNetwork(tiny_model)(pixels(2))["logits"], atol=1e-4)
    # Other weights and other settings have graphs of their own.
    (file,) = cache.iterdir()
    with torch.no_grad():
        tiny_model.primary_head.output.bias[0] += 1.0
    assert onnx_cache.graph_file(tiny_model) != file
    tiny_model.primary_head.output.bias.data[0] -= 1.0
    assert onnx_cache.graph_file(tiny_model) == file
    tiny_model.config.layer_norm_eps = 1e-3
    assert onnx_cache.graph_file(tiny_model) != file


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


def test_compiled_networks_fold_and_leave_the_model(tiny_model, monkeypatch):
    # The C++ compiler takes a minute; the backend "eager" traces and wraps the model all the same.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    network = create_network(tiny_model, "compile")
    expected = TorchNetwork(tiny_model)(pixels(2))
    for name, values in network(pixels(2)).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in tiny_model.modules())
