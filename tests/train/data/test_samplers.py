import json
import logging
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from grefel_train.data.samplers import DataRefinementSampler, EpochShuffleSampler
from tests.helpers import REPOSITORY

# 60 images in three videos of 20; class 2 is rare.
LABELS = np.tile(np.repeat([0, 1, 2], [10, 8, 2]), 3)
GROUPS = np.repeat(["a", "b", "c"], 20)


def refinement(**overrides) -> DataRefinementSampler:
    settings = dict(labels=LABELS, groups=GROUPS, pool_per_group=10, per_class=4, seed=3)
    return DataRefinementSampler(**{**settings, **overrides})


def epoch_of(sampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_refinement_draws_as_many_of_each_class():
    sampler = refinement()
    drawn = epoch_of(sampler, 0)
    assert Counter(LABELS[drawn]) == {0: 4, 1: 4, 2: 4}
    assert len(sampler) == len(drawn) == 12
    assert not (np.diff(LABELS[drawn]) >= 0).all()  # classes are shuffled


def test_refinement_draws_no_more_than_the_pool_of_each_group():
    """With a pool of 3 per video and many draws per class, 3 images of every video are seen, others each epoch."""
    sampler = refinement(pool_per_group=3, per_class=200, labels=np.zeros(60, int))
    pools = [set(epoch_of(sampler, epoch)) for epoch in range(2)]
    for pool in pools:
        assert Counter(GROUPS[list(pool)]) == {"a": 3, "b": 3, "c": 3}
    assert pools[0] != pools[1]


def test_refinement_without_groups_has_one():
    pool = set(epoch_of(refinement(groups=None, pool_per_group=5, per_class=200, labels=np.zeros(60, int)), 0))
    assert len(pool) == 5
    whole = refinement(groups=None, pool_per_group=512, per_class=20, labels=np.repeat([0, 1, 2], 20))
    assert sorted(whole) == list(range(60))  # a pool of everything, and B of each class without replacement


def test_short_classes_are_drawn_with_replacement_and_logged(caplog):
    sampler = refinement(pool_per_group=20, per_class=9)
    with caplog.at_level(logging.INFO):
        drawn = epoch_of(sampler, 5)
        epoch_of(sampler, 6)
    assert Counter(LABELS[drawn]) == {0: 9, 1: 9, 2: 9}
    assert len({i for i in drawn if LABELS[i] == 0}) == 9  # enough images: none twice
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        (level, f"Epoch {epoch}: the pool holds 6 images of class 2, fewer than the 9 per class; they are drawn with "
         "replacement.")
        for level, epoch in (("WARNING", 5), ("INFO", 6))
    ]  # fmt: skip


def test_a_class_that_the_pool_misses_is_drawn_from_all_its_images(caplog):
    labels = np.array([0] * 500 + [7])
    drawn = epoch_of(refinement(labels=labels, groups=None, pool_per_group=2, per_class=2), 0)
    assert Counter(labels[drawn]) == {0: 2, 7: 2}
    assert "0 images of class 7" in caplog.text
    assert "drawn from all images of the class" in caplog.text


@pytest.mark.parametrize("make", [refinement, lambda seed=3: EpochShuffleSampler(60, seed)])
def test_order_depends_on_seed_and_epoch_alone(make):
    sampler = make()
    torch.manual_seed(0)
    np.random.seed(0)
    state = torch.get_rng_state()
    first = epoch_of(sampler, 1)
    assert torch.equal(torch.get_rng_state(), state)
    other = epoch_of(sampler, 0)
    np.random.seed(1)
    torch.manual_seed(1)
    assert epoch_of(sampler, 1) == first == epoch_of(make(), 1)
    assert other != first
    assert epoch_of(make(seed=4), 1) != first
    assert epoch_of(make(seed=1), 3) != epoch_of(make(seed=3), 1)


def test_shuffling_keeps_every_image_once():
    sampler = EpochShuffleSampler(50, seed=0)
    assert sorted(sampler) == list(range(50))
    assert list(sampler) != list(range(50))
    assert len(sampler) == 50


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"labels": np.array([], int), "groups": None}, "no images"),
        ({"groups": GROUPS[:-1]}, "60 labels but 59 groups"),
        ({"per_class": 0}, "at least 1, not 10 and 0"),
    ],
)
def test_bad_input_is_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        refinement(**overrides)


# Each process writes the images of its batches: two epochs, then the second from its third batch on, as a run that
# resumes sees it.
SHARDED_SCRIPT = """
import json, sys
import numpy as np, torch
from accelerate import Accelerator, skip_first_batches
from grefel_train.data.samplers import DataRefinementSampler, EpochShuffleSampler

labels, groups = np.arange(60) % 3, np.arange(60) // 20
accelerator = Accelerator(cpu=True)
torch.manual_seed(accelerator.process_index)  # global states may differ
seen = {}
for sampler in (DataRefinementSampler(labels, groups, 15, 8, seed=3), EpochShuffleSampler(24, seed=3)):
    loader = torch.utils.data.DataLoader(range(60), batch_size=3, sampler=sampler, drop_last=True)
    loader = accelerator.prepare(loader)
    epochs = []
    for epoch in (4, 9):
        loader.set_epoch(epoch)
        epochs.append([batch.tolist() for batch in loader])
    loader.set_epoch(9)
    epochs.append([batch.tolist() for batch in skip_first_batches(loader, 2)])
    seen[type(sampler).__name__] = epochs
with open(f"{sys.argv[1]}/{accelerator.process_index}.json", "w") as file:
    json.dump(seen, file)
"""


def test_two_processes_together_see_the_epoch_once(tmp_path):
    script = tmp_path / "sharded.py"
    script.write_text(SHARDED_SCRIPT)
    # `accelerate launch --cpu` starts a single process, whatever --num_processes says (accelerate 1.15).
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    options = ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    subprocess.run(
        [sys.executable, *launch, *options, str(script), str(tmp_path)],
        env={
            **os.environ,
            "ACCELERATE_USE_CPU": "true",
            "PYTHONPATH": str(REPOSITORY / "train"),
            "OMP_NUM_THREADS": "1",
        },
        check=True,
        timeout=300,
    )
    processes = [json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2)]
    samplers = {
        "DataRefinementSampler": DataRefinementSampler(np.arange(60) % 3, np.arange(60) // 20, 15, 8, seed=3),
        "EpochShuffleSampler": EpochShuffleSampler(24, seed=3),
    }
    for name, sampler in samplers.items():
        for run, (epoch, skipped) in enumerate([(4, 0), (9, 0), (9, 2)]):
            pairs = zip(*(process[name][run] for process in processes), strict=True)  # batches of one step
            together = [image for pair in pairs for batch in pair for image in batch]
            assert together == epoch_of(sampler, epoch)[skipped * 2 * 3 :]
