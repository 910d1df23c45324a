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


def pixels(batch: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 3, side, side)).astype(np.float32)


# Maps of odd sides, and all that the next grefel-small has and the tiny model has not.
MOBILENET = {
    "image_size": 72,
    "image_backbone": "mobilenet_v1",
    "mobilenet_width": 0.125,
    "image_backbone_size": 144,
    "landmark_backbone_size": 36,
    "window_sizes": (9, 5, 3),
    "anchor_distance": "cosine",
    "learn_anchor_temperature": True,
}


@pytest.mark.parametrize(
    "anchors, attentive, head, others",
    [(True, True, True, {}), (False, False, False, {}), (True, True, True, MOBILENET)],
)
def test_onnx_gives_every_field_at_every_batch_size(anchors, attentive, head, others):
    torch.manual_seed(0)
    config = tiny_config(use_anchors=anchors, use_attentive_correction=attentive, landmark_head=head, **others)
    model = GReFELForImageClassification(config).eval()
    network = create_network(model, "onnx")
    assert isinstance(network, OnnxNetwork)
    for batch in (1, 2, 5):
        expected = TorchNetwork(model)(pixels(batch, config.image_size))
        outputs = network(pixels(batch, config.image_size))
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


def test_large_values_may_differ_by_more_than_small_ones(tiny_model):
    with torch.no_grad():
        tiny_model.primary_head.output.bias[0] += 50.0
    network = OnnxNetwork(onnx_graph(tiny_model))

    def moved(by):
        def run(values):
            outputs = network(values)
            return outputs | {"primary_logits": outputs["primary_logits"] + np.float32(by)}

        return run

    check_graph(moved(1e-3), tiny_model)  # small logits beside a large one: nearer float32 need not be
    with pytest.raises(GraphMismatchError, match="primary_logits"):
        check_graph(moved(1e-2), tiny_model)
