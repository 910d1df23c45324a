"""Each equation of sections 3.2 and 3.3 against values worked out by hand, and at its edges."""

import math

import pytest
import torch

from grefel_hf.model.reliability_balancing import (
    GReFELAnchors,
    GReFELAttentiveCorrection,
    anchor_similarities,
    combine_by_confidence,
    confidence,
    correct_distribution,
    geometric_correction,
    squared_anchor_distances,
)


@pytest.mark.parametrize("num_labels", [2, 7, 8])
def test_confidence_is_0_for_uniform_and_1_for_one_hot(num_labels):
    uniform = torch.full((3, num_labels), 1 / num_labels)
    assert confidence(uniform).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    assert confidence(torch.eye(num_labels)).tolist() == pytest.approx([1.0] * num_labels, abs=1e-6)


def test_confidence_by_hand():
    # H = 0.5 log 2 + 2 * 0.25 log 4 = 1.5 log 2, and log 4 = 2 log 2, so C = 1 - 0.75.
    assert confidence(torch.tensor([0.5, 0.25, 0.25, 0.0])).item() == pytest.approx(0.25)


def test_confidence_has_a_finite_gradient_at_exact_zeros():
    distribution = torch.eye(8).requires_grad_()
    confidence(distribution).sum().backward()
    assert distribution.grad.isfinite().all()


def test_similarities_by_hand():
    embedding = torch.tensor([[0.0, 0.0]])
    anchors = torch.tensor([[[3.0, 4.0]], [[0.0, 1.0]]])  # distances 5 and 1
    squared = squared_anchor_distances(embedding, anchors)
    assert squared.flatten().tolist() == [25.0, 1.0]
    similarities = anchor_similarities(squared, temperature=2.0)
    expected = 1 / (1 + math.exp((5 - 1) / 2))
    assert similarities.flatten().tolist() == pytest.approx([expected, 1 - expected])


def test_geometric_correction_sums_the_anchors_of_a_class():
    similarities = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    assert geometric_correction(similarities)[0].tolist() == pytest.approx([0.3, 0.7])


def test_similarities_have_a_finite_gradient_on_top_of_an_anchor():
    embedding = torch.ones(1, 4, requires_grad=True)
    anchors = torch.stack([torch.ones(1, 4), torch.zeros(1, 4)])
    anchor_similarities(squared_anchor_distances(embedding, anchors), 1.0)[0, 0, 0].backward()
    assert embedding.grad.isfinite().all()


def test_combination_by_hand():
    sure, unsure = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.5, 0.25, 0.25]])
    # Confidences 1 and 0.25 (see above), so weights 0.8 and 0.2.
    combined = combine_by_confidence(sure, unsure)
    assert combined[0].tolist() == pytest.approx([0.8, 0.1, 0.05, 0.05], abs=1e-5)


def test_combination_of_two_uniform_distributions_is_uniform():
    uniform = torch.full((1, 8), 1 / 8)
    combined = combine_by_confidence(uniform, uniform.clone())
    assert combined[0].tolist() == pytest.approx([1 / 8] * 8)


def test_detached_confidences_keep_the_value_and_send_no_gradient():
    first, second = torch.randn(2, 4, 5).softmax(-1)
    first.requires_grad_()
    combined = combine_by_confidence(first, second, detach_confidences=True)
    assert torch.equal(combined, combine_by_confidence(first, second))
    combined.sum(-1).log().sum().backward()
    share = (combined[:, 0] - second[:, 0]) / (first[:, 0] - second[:, 0])
    torch.testing.assert_close(first.grad, share.detach()[:, None].expand(4, 5), rtol=1e-4, atol=1e-5)


def test_cosine_anchors_see_directions_only():
    torch.manual_seed(0)
    anchors = GReFELAnchors(3, 2, 6, temperature=1.0, distance="cosine")
    torch.nn.init.normal_(anchors.positions)
    embedding = torch.randn(4, 6)
    similarities, squared = anchors(embedding)
    cosine = torch.nn.functional.cosine_similarity(embedding[:, None, None], anchors.positions[None], dim=-1)
    torch.testing.assert_close(squared, 2 * 6 * (1 - cosine), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(anchors(7 * embedding)[0], similarities, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("geometric", [True, False])
@pytest.mark.parametrize("attentive", [True, False])
def test_the_four_rows_of_table_2(geometric, attentive):
    primary, t_g, t_a = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)).softmax(-1)
    final, correction = correct_distribution(primary, t_g if geometric else None, t_a if attentive else None)
    assert final.sum(-1).tolist() == pytest.approx([1.0] * 5)
    if not geometric and not attentive:
        assert correction is None and final is primary
    elif geometric and attentive:
        assert torch.equal(correction, combine_by_confidence(t_g, t_a))
    else:
        assert correction is (t_g if geometric else t_a)
        assert torch.equal(final, combine_by_confidence(primary, correction))


def test_attentive_correction_equals_attention_over_all_rows_read_at_cls():
    torch.manual_seed(0)
    module = GReFELAttentiveCorrection(5, hidden_size=12, correction_size=8, num_heads=2, layer_norm_eps=1e-6)
    tokens = torch.randn(3, 7, 12)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.eye(8).repeat(3, 1))
        reference.in_proj_bias.zero_()
        reference.out_proj.weight.copy_(torch.eye(8))
        reference.out_proj.bias.zero_()
        key, value = module.key_value(tokens).split(8, dim=-1)
        context, weights = reference(module.query(tokens), key, value)
        expected = module.classifier(module.norm(module.output(context[:, 0]))).softmax(-1)
        correction, attention = module(tokens)
    torch.testing.assert_close(correction, expected)
    torch.testing.assert_close(attention, weights[:, 0, 1:])
