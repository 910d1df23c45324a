"""The trial that looks for a peak rate."""

import csv

import pytest

from grefel_train.run.rate_finder import suggested_rate, table
from tests.helpers.launch import run
from tests.helpers.training_runs import write_faces, write_recipe


def test_the_rate_is_a_tenth_of_that_with_the_least_loss():
    rows = [(1e-5, 2.0, 2.0), (1e-4, 1.5, 1.6), (1e-3, 1.0, 1.2), (1e-2, 1.9, 1.4)]
    assert suggested_rate(rows) == pytest.approx(1e-4)
    assert table(rows).splitlines()[:2] == ["learning_rate,loss,smoothed_loss", "1e-05,2.0000,2.0000"]


def test_a_loss_that_never_fell_speaks_for_no_rate():
    assert suggested_rate([(1e-5, 1.0, 1.0), (1e-4, 1.5, 1.1)]) is None and suggested_rate([]) is None


def test_the_trial_writes_a_table_and_leaves_no_run(tmp_path):
    faces, recipe = (
        write_faces(tmp_path / "faces", 60),
        write_recipe(tmp_path / "tiny.yaml", per_device_train_batch_size=2),
    )
    words = ["--config", recipe, "--train_dir", faces, "--output_dir", tmp_path / "out", "--find_learning_rate"]
    done = run("train/train.py", *words)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "learning_rates.csv").open()))
    rates = [float(row["learning_rate"]) for row in rows]
    assert 20 < len(rows) <= 100 and rates == sorted(rates) and rates[0] == 1e-6
    assert "--learning_rate " in done.stdout
    assert not list((tmp_path / "out").glob("checkpoint-*")) and not (tmp_path / "out" / "best").exists()
