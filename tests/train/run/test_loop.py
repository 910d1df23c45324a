"""Small parts of the loop; the whole is launched by test_train*.py."""

import itertools

import pytest
import torch
from accelerate import Accelerator

from grefel_hf.files import restore_folder, whole_folder
from grefel_train.run.loop import Means, Progress, seed_batch
from grefel_train.run.saving import in_half_precision


def test_every_batch_has_a_random_state_of_its_own():
    def draw(*batch):
        seed_batch(*batch)
        return torch.rand(()).item()

    batches = list(itertools.product(range(2), repeat=4))  # seed, epoch, batch, process
    draws = [draw(*batch) for batch in batches]
    assert len(set(draws)) == len(batches)
    assert draws == [draw(*batch) for batch in batches]


def test_means_over_batches():
    means = Means()
    confidence = torch.tensor([0.2, 0.4])
    means.add({"primary_confidence": confidence, "loss": torch.tensor(1.0), "anchor_loss": None, "logits": confidence})
    means.add({"primary_confidence": 2 * confidence, "loss": torch.tensor(2.0), "anchor_loss": None})
    figures = means.take(Accelerator(cpu=True))
    assert figures == {"loss": 1.5, "primary_confidence": pytest.approx(0.45)} and next(iter(figures)) == "loss"
    means.add({"loss": torch.tensor(5.0)})
    assert means.take(Accelerator(cpu=True)) == {"loss": 5.0}


@pytest.mark.parametrize(("epochs", "batches", "current"), [(0, 1, 1), (1, 0, 1), (1, 7, 2)])
def test_epochs_count_from_one(epochs, batches, current):
    assert Progress(epoch=epochs, batches=batches).current_epoch == current


def test_half_precision_only_where_it_holds_the_values():
    assert in_half_precision(torch.ones(2)).dtype == torch.float16
    assert in_half_precision(torch.tensor([1.0, 1e5])).dtype == torch.float32
    assert in_half_precision(torch.tensor([1])).dtype == torch.int64


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "best"
    for text in ("old", "new"):
        with whole_folder(folder) as partial:
            (partial / "file").write_text(text)
    assert (folder / "file").read_text() == "new"
    with pytest.raises(KeyError), whole_folder(folder) as partial:
        (partial / "file").write_text("broken")
        raise KeyError
    assert (folder / "file").read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["best"]
    folder.rename(tmp_path / "best.old")  # as a kill between the two renames leaves it
    restore_folder(folder)
    assert (folder / "file").read_text() == "new"
