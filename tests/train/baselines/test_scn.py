import torch

from grefel_train.baselines.scn import SCN, rank_loss, relabelled, weighted_loss


def test_weights_make_a_loss_flatter_and_are_between_0_and_1():
    torch.manual_seed(0)
    logits, weights = SCN(8, 3)(torch.randn(5, 8))
    assert logits.shape == (5, 3) and weights.shape == (5,) and ((weights > 0) & (weights < 1)).all()
    sure, labels = torch.tensor([[4.0, 0, 0]]), torch.tensor([1])
    assert weighted_loss(sure, torch.tensor([0.1]), labels) < weighted_loss(sure, torch.tensor([1.0]), labels)


def test_the_rank_loss_asks_for_a_margin_between_heavy_and_light_images():
    apart = torch.tensor([0.9] * 7 + [0.5] * 3)
    assert rank_loss(apart) == 0
    assert torch.isclose(rank_loss(torch.full((10,), 0.5)), torch.tensor(0.15))
    assert torch.isclose(rank_loss(torch.tensor([0.6] * 7 + [0.5] * 3)), torch.tensor(0.05))


def test_only_light_images_that_the_network_contradicts_are_relabelled():
    logits = torch.tensor([[5.0, 0.0]] * 4 + [[0.1, 0.0]] * 6)
    weights = torch.tensor([0.1, 0.2, 0.9, 0.3] + [0.8] * 6)
    labels = torch.tensor([1, 0, 1, 1] + [1] * 6)
    assert relabelled(logits, weights, labels).tolist() == [0, 0, 1, 0] + [1] * 6
