"""A checkpoint whose graph is kept opens without its model, and gives the same results."""

import pickle

import pytest

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification
from grefel_hf.opening import open_checkpoint
from grefel_hf.runtime import cache as onnx_cache
from grefel_hf.runtime.onnx_network import OnnxNetwork

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture
def kept(tiny_checkpoint, tmp_path, monkeypatch):
    """A checkpoint that was opened before, with a cache of its own."""
    monkeypatch.setattr(onnx_cache, "cache_folder", lambda: tmp_path / "graphs")
    assert open_checkpoint(tiny_checkpoint).model is not None
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


def test_changed_settings_are_another_checkpoint(kept, tmp_path):
    (kept / "preprocessor_config.json").touch()
    assert open_checkpoint(kept).model is None
    assert open_checkpoint(kept, dtype="float32").model is not None
    assert open_checkpoint(kept, runtime="torch").model is not None


def test_a_damaged_graph_is_made_again(kept, tmp_path):
    (file,) = (tmp_path / "graphs").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert open_checkpoint(kept).model is not None
    assert open_checkpoint(kept).model is None
