"""Lines of a run's log: on the screen, in its file, and what is known of trackers."""

import io
import json
from types import SimpleNamespace

import pytest
from tqdm.auto import tqdm

from grefel_train.run.log import TrainingLog, chosen_trackers, rounded


def accelerator():
    logged = []
    return SimpleNamespace(is_main_process=True, logged=logged, log=lambda tags, step: logged.append((tags, step)))


def test_figures_are_shown_with_four_digits_and_kept_whole(tmp_path, capsys):
    log = TrainingLog(tmp_path / "log.jsonl", accelerator(), step=0)
    log.write("train", 1, 12345, {"loss": 0.123456789, "recall": {"fear": 1 / 3}})
    shown, kept = json.loads(capsys.readouterr().out), json.loads(log.path.read_text())
    assert (shown["loss"], shown["recall"], shown["step"]) == (0.1235, {"fear": 0.3333}, 12345)
    assert (kept["loss"], kept["recall"]) == (0.123456789, {"fear": 1 / 3})
    assert log.accelerator.logged == [({"train/loss": 0.123456789, "train/recall/fear": 1 / 3, "epoch": 1}, 12345)]
    assert rounded([123456.0, 1.5e-9, True, "a"]) == [123500.0, 1.5e-9, True, "a"]


def test_a_line_does_not_stick_to_the_progress_bar(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", screen)
    with tqdm(total=2, mininterval=0, miniters=1) as bar:
        bar.update()
        TrainingLog(tmp_path / "log.jsonl", accelerator(), step=0).write("train", 1, 1, {"loss": 0.5})
        bar.update()
    line = next(line for line in screen.getvalue().split("\n") if "loss" in line)
    assert line.rpartition("\r")[2].startswith("{"), line


def test_trackers_by_name_and_what_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "tensorboard" or None)
    assert chosen_trackers(None, False) == []
    assert chosen_trackers(None, True) == chosen_trackers(["all"], False) == ["tensorboard"]
    for name in ("mlflow", "wandb", "trackio"):
        with pytest.raises(ValueError, match=f"--report_to {name} .*: pip install {name}"):
            chosen_trackers([name], False)
