"""The losses of section 3.4 against values worked out by hand."""

import math

import pytest
import torch

from grefel_hf.model.losses import anchor_loss, as_distribution, center_loss, classification_loss


def test_classification_loss_by_hand():
    distribution = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    hard = as_distribution(torch.tensor([0, 1]), 2)
    assert classification_loss(distribution, hard).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    soft = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    expected = (math.log(2) + 0.5 * math.log(4) + 0.5 * math.log(4 / 3)) / 2
    assert classification_loss(distribution, soft).item() == pytest.approx(expected)


def test_class_weights_give_what_cross_entropy_gives():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels, weights = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([1.0, 2.0, 0.5, 4.0])
    ours = classification_loss(logits.softmax(-1), as_distribution(labels, 4), weights)
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, labels, weights))


def test_classification_loss_is_finite_where_the_label_has_probability_0():
    distribution = torch.eye(2)[:1].requires_grad_()
    loss = classification_loss(distribution, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert loss.isfinite() and distribution.grad.isfinite().all()


def test_anchor_loss_by_hand():
    anchors = torch.tensor([[[0.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [2.0, 1.0]]])
    # Squared distances per dimension: two pairs 0.5, two pairs 2, two pairs 2.5; only the first are within 1.
    assert anchor_loss(anchors, margin=1.0).item() == pytest.approx(2 * 0.5 / 6)


def test_anchor_loss_pushes_apart_within_the_margin_only():
    anchors = torch.tensor([[[0.0]], [[0.5]], [[9.0]]], requires_grad=True)
    anchor_loss(anchors, margin=1.0).backward()
    assert anchors.grad.flatten().sign().tolist() == [1.0, -1.0, 0.0]  # against the gradient: apart


def test_center_loss_by_hand():
    squared = torch.tensor([[[4.0, 2.0], [1.0, 9.0]]])
    hard = torch.tensor([[1.0, 0.0]])
    assert center_loss(squared, hard, dimension=2).item() == pytest.approx(1.0)
    soft = torch.tensor([[0.5, 0.5]])
    assert center_loss(squared, soft, dimension=2).item() == pytest.approx(0.75)


@pytest.mark.parametrize("labels", [torch.tensor([0.5, 0.5]), torch.zeros(2, 3), torch.zeros(2, 2, 2)])
def test_labels_of_another_shape_are_refused(labels):
    with pytest.raises(ValueError, match="class ids"):
        as_distribution(labels, 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([[0.5, 0.5], [0.0, 0.0]]), r"sum above 0.*at \[1\]"),
        (torch.tensor([[1.5, -0.5], [0.5, 0.5]]), r"negative.*at \[0\]"),
        (torch.tensor([0, 2]), r"\[0, 2\).*at \[1\]"),
        (torch.tensor([0, -1]), r"at \[1\]"),
    ],
)
def test_labels_that_are_no_distribution_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        as_distribution(labels, 2)
