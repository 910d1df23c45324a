"""Networks of all runtimes give the same figures; what is missing or does not fit is said."""

import functools
import logging
import sys

import numpy as np
import pytest
import torch

from grefel_hf import FacialExpressionPredictor, GReFELImageProcessor
from grefel_hf.faces.detection import NoDetector
from grefel_hf.onnx_session import OnnxUnavailableError
from grefel_hf.runtime import graph as making
from grefel_hf.runtime.networks import create_network
from grefel_hf.runtime.onnx_network import GraphMismatchError, OnnxNetwork
from grefel_hf.runtime.torch_network import TorchNetwork

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def pixels(batch: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 3, 64, 64)).astype(np.float32)


def test_the_predictor_gives_the_same_with_both(tiny_model, exports, astronaut):
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    results = {}
    for runtime in ("torch", "onnx"):
        network = create_network(tiny_model, runtime)
        predictor = FacialExpressionPredictor(tiny_model, processor, NoDetector(), network=network)
        results[runtime] = predictor(astronaut).faces[0].to_dict()
    for name in ("corrected", "primary", "attentive", "confidences"):
        assert results["onnx"][name] == pytest.approx(results["torch"][name], abs=1e-5), name


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

    monkeypatch.setattr(making, "check_graph", refuse)
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


def test_half_precision_runs_torch(tiny_model, caplog):
    model = tiny_model.half()
    assert isinstance(create_network(model), TorchNetwork) and caplog.text == ""
    with pytest.raises(ValueError, match="float32, and the model has torch.float16: use runtime='torch'"):
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


def test_compiled_networks_fold_and_leave_the_model(tiny_model, monkeypatch):
    # The C++ compiler takes a minute; the backend "eager" traces and wraps the model all the same.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    network = create_network(tiny_model, "compile")
    expected = TorchNetwork(tiny_model)(pixels(2))
    for name, values in network(pixels(2)).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in tiny_model.modules())


def test_batches_go_to_a_gpu_from_pinned_memory(monkeypatch):
    """A stub stands in the place of the GPU."""

    class OnGpu:
        device = torch.device("cuda")

        def to(self, memory_format):
            assert memory_format == torch.channels_last

        def __call__(self, pixel_values):
            return {"logits": pixel_values.mean((1, 2, 3))}

    steps = []

    def moved(batch, device, non_blocking=False):
        steps.append((device.type, non_blocking))
        return batch

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda batch: steps.append("pinned") or batch)
    monkeypatch.setattr(torch.Tensor, "to", moved)
    values = pixels(2)
    assert TorchNetwork(OnGpu())(values)["logits"] == pytest.approx(values.mean((1, 2, 3)), abs=1e-5)
    assert steps == ["pinned", ("cuda", True)]
