import torch

from grefel_train.baselines.eac import EAC, consistency_loss, erased


def test_the_attention_maps_sum_to_the_logits():
    torch.manual_seed(0)
    head, cells = EAC(8, 3), torch.randn(2, 9, 8)
    logits, maps = head(cells)
    assert maps.shape == (2, 3, 9)
    torch.testing.assert_close(maps.mean(-1) + head.classifier.bias, logits)


def test_a_mirrored_grid_is_consistent_and_another_is_not():
    torch.manual_seed(0)
    head, cells = EAC(8, 3), torch.randn(2, 18, 8)  # two levels of 3 x 3
    mirrored = cells.view(2, 2, 3, 3, 8).flip(3).reshape(2, 18, 8)
    (_, maps), (_, back) = head(cells), head(mirrored)
    torch.testing.assert_close(consistency_loss(maps, back, 3), torch.tensor(0.0))
    assert consistency_loss(maps, maps, 3) > 0.01


def test_a_rectangle_is_erased_at_all_levels():
    torch.manual_seed(0)
    found = erased(torch.ones(200, 32, 2), 4)  # two levels of 4 x 4
    gone = (found == 0).all(-1).view(200, 2, 4, 4)
    assert (gone[:, 0] == gone[:, 1]).all()
    assert (gone[:, 0].sum((1, 2)) >= 1).all() and (gone[:, 0].sum((1, 2)) <= 6).all()
    rows, columns = gone[:, 0].any(2), gone[:, 0].any(1)
    assert (gone[:, 0] == rows[:, :, None] & columns[:, None]).all()
    assert gone[:, 0].any(0).all()  # everywhere, over many images
