"""The moving average of weights, by hand, and of a model in shards."""

import os

import pytest
import torch
from torch.distributed.fsdp import fully_shard

from grefel_train.run.averages import WeightAverage


def value_after(decay: float, values: list[float]) -> float:
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay)
    for value in values:
        torch.nn.init.constant_(model.weight, value)
        average.update()
    with average.swapped_in():
        return model.weight.item()


def test_by_hand():
    # The first update copies; the next two take 1 - 2/11 and 1 - 3/12 of the new value.
    second = 2 / 11 * 1.0 + 9 / 11 * 2.0
    assert value_after(0.998, [1.0, 2.0, 4.0]) == pytest.approx(3 / 12 * second + 9 / 12 * 4.0)


def test_decay_is_the_bound():
    assert value_after(0.1, [1.0, 2.0]) == pytest.approx(0.1 * 1.0 + 0.9 * 2.0)


def test_batch_norm_statistics_follow_and_counters_are_copied():
    model = torch.nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.5)
    for _ in range(3):
        model(torch.full((4, 2), 10.0))
        average.update()
    own = model.running_mean[0].item()
    with average.swapped_in():
        assert model.num_batches_tracked.item() == 3
        assert 0 < model.running_mean[0].item() < own


def test_the_models_own_weights_come_back():
    model = torch.nn.Linear(2, 2)
    average = WeightAverage(model, 0.5)
    torch.nn.init.ones_(model.weight)
    with pytest.raises(KeyError), average.swapped_in():
        assert not model.weight.eq(1).all()
        raise KeyError
    assert model.weight.eq(1).all()


def test_states_come_back():
    model = torch.nn.Linear(1, 1, bias=False)
    average, other = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    for value in (1.0, 2.0):
        torch.nn.init.constant_(model.weight, value)
        average.update()
    other.load_state_dict(average.state_dict())
    torch.nn.init.constant_(model.weight, 5.0)
    for each in (average, other):
        each.update()
    assert torch.equal(average.tensors[0], other.tensors[0])


def test_shards_are_averaged_as_the_whole(tmp_path):
    torch.multiprocessing.spawn(compare_shards_with_whole, (str(tmp_path / "rendezvous"),), nprocs=2)


def compare_shards_with_whole(rank: int, rendezvous: str):
    """In two processes: a model under FSDP 2 and the same model whole, trained, averaged, used and trained on."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    whole, sharded = (
        torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 3)) for _ in range(2)
    )
    torch.manual_seed(0)
    for parameter in whole.parameters():
        torch.nn.init.normal_(parameter)
    sharded.load_state_dict(whole.state_dict())
    images = torch.randn(8, 5)
    fully_shard(sharded, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (2,)))
    averages = [WeightAverage(model, 0.9) for model in (whole, sharded)]
    optimizers = [torch.optim.SGD(model.parameters(), 0.1) for model in (whole, sharded)]
    for _ in range(2):
        for _ in range(3):
            for model, average, optimizer in zip((whole, sharded), averages, optimizers):
                optimizer.zero_grad()
                model.train()(images).square().mean().backward()
                optimizer.step()
                average.update()
        own = whole.eval()(images)
        with torch.no_grad(), averages[0].swapped_in(), averages[1].swapped_in():
            averaged = whole.eval()(images)
            assert not torch.allclose(own, averaged)
            assert torch.allclose(sharded.eval()(images), averaged, atol=1e-6)
        assert torch.allclose(sharded.eval()(images), own, atol=1e-6)
    torch.distributed.destroy_process_group()
