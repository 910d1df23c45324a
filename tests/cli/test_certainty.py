"""What was measured of answers, on the command line."""

import csv

import numpy as np
import pytest
from PIL import Image

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor, __main__
from grefel_hf.cli.video import Summary
from grefel_hf.palette import NO_ANSWER
from grefel_hf.reliability import CANNOT_TELL, write_reliability
from grefel_hf.results import FacePrediction
from grefel_hf.video.analysis import TrackedFace, VideoFrame
from grefel_hf.video.writer import annotate
from tests.helpers.reliability_examples import reliability
from tests.helpers.tiny import LABELS, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    GReFELForImageClassification(tiny_config()).save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    Image.new("RGB", (64, 64), (90, 90, 90)).save(folder / "face.png")
    return folder


def run(model, *words) -> int:
    options = ["--model", model, "--detector", "none", "--runtime", "torch"]
    return __main__.main([str(word) for word in (model / "face.png", *options, *words)])


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")


def rows_of(file) -> list[dict]:
    return list(csv.DictReader(file.open(newline="")))


def test_table_and_csv_carry_what_was_measured(model, tmp_path, capsys):
    write_reliability(model, reliability())
    assert run(model) == 0
    printed = capsys.readouterr().out
    assert "right_in_100" in printed and "could_be" in printed and "runner-up" not in printed
    assert run(model, "--csv", tmp_path / "out.csv") == 0
    (row,) = rows_of(tmp_path / "out.csv")
    assert row["is_answerable"] == "True" and 40 <= int(row["right_in_100"]) <= 90
    assert set(row["could_be"].split(" or ")) <= set(LABELS) and row["label"] == row["could_be"].split(" or ")[0]


def test_answer_only_and_answer_all(model, tmp_path, capsys):
    write_reliability(model, reliability())
    assert run(model, "--csv", tmp_path / "only.csv", "--answer_only", 1) == 0
    assert rows_of(tmp_path / "only.csv")[0]["label"] == CANNOT_TELL
    assert run(model, "--csv", tmp_path / "only.csv") == 2  # other answers are not mixed into it
    assert "answer_only 1" in capsys.readouterr().err
    write_reliability(model, reliability(bias=-5.0))
    assert run(model) == 0 and CANNOT_TELL in capsys.readouterr().out
    assert run(model, "--csv", tmp_path / "all.csv", "--answer_all") == 0
    (row,) = rows_of(tmp_path / "all.csv")
    assert row["label"] in LABELS and row["is_answerable"] == "False" and row["right_in_100"] == row["could_be"] == ""


def test_what_cannot_be_asked_is_said_in_a_sentence(model, capsys):
    (model / "reliability.json").unlink(missing_ok=True)
    assert run(model, "--answer_only", 0.9) == 2
    assert "answer_only needs the model's reliability.json" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(model, "--answer_only", 90)
    assert "0.9 for answers that were right 90 times in 100" in capsys.readouterr().err


def tracked(is_answered: bool, person: int = 1) -> TrackedFace:
    values = np.array([0.1, 0.8, 0.1])
    face = FacePrediction((4, 4, 30, 30), 1.0, tuple(LABELS), values, values, {}, is_answered=is_answered)
    return TrackedFace(person, face, values)


def test_a_person_who_cannot_be_read_has_no_expressions_in_a_video(capsys):
    summary = Summary(tuple(LABELS))
    frames = [VideoFrame(0, 0.0, tuple(LABELS), [tracked(False)], True, lambda: None)]
    summary.add(frames[0])
    assert list(summary.table_rows())[0][-2:] == ("0", CANNOT_TELL)
    summary.add(VideoFrame(1, 1.0, tuple(LABELS), [tracked(True)], True, lambda: None))
    assert list(summary.table_rows())[0][-2:] == ("1", "happiness 80%, surprise 10%, neutral 10%")


def test_who_may_have_come_back_is_counted_as_a_track():
    summary = Summary(tuple(LABELS))
    for index, persons in enumerate([(1, 2), (3,)]):
        summary.add(VideoFrame(index, index, tuple(LABELS), [tracked(True, p) for p in persons], True, lambda: None))
        assert summary.found() == ("2 persons", "3 tracks, of at least 2 persons,")[index]


def test_its_box_is_grey():
    picture = annotate(Image.new("RGB", (64, 64)), [tracked(False)])
    assert tracked(False).label == CANNOT_TELL and picture.getpixel((30, 28)) == tuple(bytes.fromhex(NO_ANSWER[1:]))
