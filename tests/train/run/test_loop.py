"""Small parts of the loop; the whole is launched by test_train*.py."""

import argparse
import contextlib
import itertools
import types

import pytest
import torch
from accelerate import Accelerator

from grefel_hf.files import restore_folder, whole_folder
from grefel_train.run import loop
from grefel_train.run.loop import Means, Progress, evaluate_and_keep_best, is_over, seed_batch
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


@pytest.mark.parametrize(("keep", "kept"), [("best", [1, 2]), ("last", [1, 2, 3])])
def test_the_best_or_the_last_epoch_is_kept(tmp_path, monkeypatch, keep, kept):
    saved, accuracies = [], iter([0.5, 0.7, 0.6])
    monkeypatch.setattr(loop, "check_weights", lambda run: None)
    monkeypatch.setattr(loop, "averaged_weights", lambda run: contextlib.nullcontext())
    monkeypatch.setattr(loop, "evaluate", lambda run: {"corrected": {"accuracy": next(accuracies)}})
    monkeypatch.setattr(loop, "save_model", lambda *arguments: saved.append(run.progress.epoch))
    run = types.SimpleNamespace(
        args=types.SimpleNamespace(keep=keep, metric_for_best="accuracy"),
        progress=Progress(),
        eval_loader=[],
        log=types.SimpleNamespace(write=lambda *entry: None),
        plain_model=torch.nn.Linear(1, 1),
        accelerator=Accelerator(cpu=True),
        processor=None,
        sharded=False,
        stop=types.SimpleNamespace(check=lambda accelerator: None),
        output_dir=tmp_path,
    )
    for run.progress.epoch in (1, 2, 3):
        evaluate_and_keep_best(run)
    assert saved == kept and run.progress.best["epoch"] == kept[-1]


@pytest.mark.parametrize(
    ("step", "epoch", "best", "over"),
    [(4, 2, 1, False), (6, 3, 1, True), (6, 3, 2, False), (10, 5, 5, True), (2, 1, None, False)],
)
def test_when_a_run_is_over(step, epoch, best, over):
    args = argparse.Namespace(stop_after_epoch=None, early_stopping_patience=2)
    progress = Progress(step=step, epoch=epoch, best=best and {"epoch": best})
    run = types.SimpleNamespace(args=args, progress=progress, total_steps=10)
    assert is_over(run) == over
    args.early_stopping_patience, args.stop_after_epoch = None, 4
    assert is_over(run) == (epoch >= 4)
