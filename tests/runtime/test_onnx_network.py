"""The exported graph computes what the model does, and another one is noticed."""

import numpy as np
import pytest
import torch

from grefel_hf import GReFELForImageClassification
from grefel_hf.runtime.graph import check_graph, onnx_graph
from grefel_hf.runtime.networks import create_network
from grefel_hf.runtime.onnx_network import GraphMismatchError, OnnxNetwork
from grefel_hf.runtime.torch_network import TorchNetwork
from tests.helpers.tiny import tiny_config

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


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


def test_a_graph_of_other_weights_is_noticed(tiny_model, graph):
    network = OnnxNetwork(graph)
    check_graph(network, tiny_model)
    with torch.no_grad():
        tiny_model.primary_head.output.bias[0] += 0.01
    with pytest.raises(GraphMismatchError, match="differs"):
        check_graph(network, tiny_model)
