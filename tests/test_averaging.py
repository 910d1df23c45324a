"""The moving average of weights, by hand."""

import pytest
import torch

from averaging import moving_average


def values_after(decay: float, values: list[float]) -> float:
    model = torch.nn.Linear(1, 1, bias=False)
    average = moving_average(model, decay)
    for value in values:
        torch.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    return average.module.weight.item()


def test_by_hand():
    # The first update copies; the next two take 1 - 2/11 and 1 - 3/12 of the new value.
    second = 2 / 11 * 1.0 + 9 / 11 * 2.0
    assert values_after(0.998, [1.0, 2.0, 4.0]) == pytest.approx(3 / 12 * second + 9 / 12 * 4.0)


def test_decay_is_the_bound():
    assert values_after(0.1, [1.0, 2.0]) == pytest.approx(0.1 * 1.0 + 0.9 * 2.0)


def test_batch_norm_statistics_follow_and_counters_are_copied():
    model = torch.nn.BatchNorm1d(2)
    average = moving_average(model, 0.5)
    for _ in range(3):
        model(torch.full((4, 2), 10.0))
        average.update_parameters(model)
    assert average.module.num_batches_tracked.item() == 3
    assert 0 < average.module.running_mean[0].item() < model.running_mean[0].item()
