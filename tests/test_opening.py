"""A checkpoint whose graph is kept opens without its model, and gives the same results."""

import pickle
from pathlib import Path

import pytest

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification
from grefel_hf.checkpoint import checkpoint_digest
from grefel_hf.opening import open_checkpoint
from grefel_hf.runtime import cache as onnx_cache
from grefel_hf.runtime.onnx_network import OnnxNetwork

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def graphs(tiny_checkpoint, tmp_path_factory) -> Path:
    """A cache in which the graph of `tiny_checkpoint` is."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_cache, "cache_folder", lambda: folder)
        assert open_checkpoint(tiny_checkpoint).model is not None
    return folder


@pytest.fixture
def kept(tiny_checkpoint, graphs, monkeypatch) -> Path:
    """A checkpoint that was opened before."""
    monkeypatch.setattr(onnx_cache, "cache_folder", lambda: graphs)
    return tiny_checkpoint


def test_a_kept_graph_gives_what_the_model_gives(kept, astronaut):
    opened = open_checkpoint(kept)
    assert opened.model is None and isinstance(opened.network, OnnxNetwork)
    by_graph = FacialExpressionPredictor.from_pretrained(kept, detector="none")
    by_torch = FacialExpressionPredictor.from_pretrained(kept, detector="none", runtime="torch")
    assert by_graph.labels == by_torch.labels == opened.labels
    (graph,), (torch,) = by_graph(astronaut).faces, by_torch(astronaut).faces
    for name in ("primary", "geometric", "attentive", "corrected", "anchor_similarities"):
        assert getattr(graph, name) == pytest.approx(getattr(torch, name), abs=1e-5), name
    assert graph.confidences == pytest.approx(torch.confidences, abs=1e-5)


def test_its_model_comes_when_it_is_asked_for_and_it_survives_pickling(kept, astronaut):
    predictor = FacialExpressionPredictor.from_pretrained(kept, detector="none")
    again = pickle.loads(pickle.dumps(predictor))
    assert (again(astronaut).faces[0].corrected == predictor(astronaut).faces[0].corrected).all()
    assert isinstance(predictor.model, GReFELForImageClassification) and predictor.model is predictor.model


def test_only_the_same_files_and_settings_find_it(kept, tmp_path):
    assert open_checkpoint(kept).model is None
    assert open_checkpoint(kept, dtype="float32", runtime="torch").model is not None
    assert open_checkpoint(kept, runtime="torch").model is not None
    with pytest.raises(OSError):
        onnx_cache.kept_network("another digest")


def test_a_damaged_graph_is_none(kept, graphs, tmp_path, monkeypatch):
    (file,) = graphs.iterdir()
    (tmp_path / file.name).write_bytes(file.read_bytes()[:-1])
    monkeypatch.setattr(onnx_cache, "cache_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match="damaged"):
        onnx_cache.kept_network(checkpoint_digest(kept))
