"""Two processes on the CPU do what one does."""

import pytest
from training_runs import log_entries, run, write_faces, write_recipe

STEPS = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """
    The same batches in one process and, cut in halves, in two.

    What depends on the process or on its batch is away: batch norm and dropout are frozen, and augmentation does
    nothing but mirror faces that a mirror does not change.
    """
    folder = tmp_path_factory.mktemp("processes")
    train, validation = write_faces(folder / "train", 33), write_faces(folder / "validation", 21)
    outs = {}
    for processes in (1, 2):
        recipe = write_recipe(
            folder / "tiny.yaml",
            per_device_train_batch_size=16 // processes,
            per_device_eval_batch_size=4,
            freeze_modules=["grefel.pyramid.image_backbone", "primary_head"],
            augmentation_strength=0,
            eval_on_start=True,
        )
        outs[processes] = folder / f"out{processes}"
        words = ["--config", recipe, "--train_dir", train, "--validation_dir", validation]
        done = run("train/train.py", *words, "--output_dir", outs[processes], processes=processes)
        assert done.returncode == 0, done.stderr
    return outs


def test_the_same_weights_have_the_same_metrics(runs):
    one, two = (log_entries(runs[processes], evaluations=True)[0] for processes in (1, 2))
    assert one["step"] == two["step"] == 0
    for name in ("primary", "corrected"):
        assert one[name]["samples"] == two[name]["samples"] == 21
        assert one[name] == pytest.approx(two[name], abs=1e-6)


def test_training_is_the_same(runs):
    one, two = (log_entries(runs[processes]) for processes in (1, 2))
    assert [entry["step"] for entry in one] == [entry["step"] for entry in two] == list(range(1, STEPS + 1))
    for name in ("loss", "classification_loss", "center_loss", "corrected_confidence", "learning_rate"):
        assert [entry[name] for entry in one] == pytest.approx([entry[name] for entry in two], rel=1e-3), name
    assert one[0]["loss"] != pytest.approx(one[-1]["loss"], rel=1e-2)  # it moved
    last, same = (log_entries(runs[processes], evaluations=True)[-1] for processes in (1, 2))
    assert last["corrected"] == pytest.approx(same["corrected"], abs=1e-3)
