"""The command line, as a user runs it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from grefel_hf import FacialExpressionPredictor, __main__
from grefel_hf.faces.detection import NoDetector
from tests.helpers import REPOSITORY
from tests.helpers.video_clips import read_pictures, scene, write_clip


def run(*arguments, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "grefel_hf", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "160", **environment}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    """A readable photo with a face, one without, and a broken file."""
    folder = tmp_path_factory.mktemp("folder")
    astronaut.save(folder / "astronaut.png")
    Image.new("RGB", (100, 100)).save(folder / "blank.png", exif=b"MM\0*\0\0\0\x08\xff\xff\xff\xff")  # damaged EXIF
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_one_photo_gives_a_table_and_status_0(astronaut_file):
    done = run(astronaut_file, "--detector", "hog")
    assert done.returncode == 0, done.stderr
    assert "happiness" in done.stdout and "1 face in 1 photo" in done.stdout
    assert "Loading" not in done.stderr


def test_a_folder_goes_on_past_a_broken_file_and_says_so(folder, tmp_path):
    done = run(folder, "--detector", "hog", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    assert "broken.jpg" in done.stderr and "Traceback" not in done.stderr and "Warning" not in done.stderr
    photos = json.loads((tmp_path / "out.json").read_text())
    assert [len(photo["faces"]) for photo in photos] == [1, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


@pytest.fixture
def here(monkeypatch, predictor):
    """The program in this process, for crops, with the model that is loaded already."""
    crops = FacialExpressionPredictor(predictor.model, predictor.processor, NoDetector())
    monkeypatch.setattr(FacialExpressionPredictor, "from_pretrained", lambda *args, **options: crops)
    monkeypatch.setattr("grefel_hf.cli.photos.share_cores", lambda: None)
    monkeypatch.setenv("COLUMNS", "300")
    return crops


@pytest.fixture
def stopped(here, monkeypatch):
    """The same without the network, so that many photos cost nothing. Set `signal`: it comes with the next faces."""
    state = SimpleNamespace(signal=None, faces=0)

    def run_nothing(crops):
        state.faces += len(crops)
        if state.signal:
            number, state.signal = state.signal, None
            os.kill(os.getpid(), number)
        even = np.full(len(here.labels), 1 / len(here.labels))
        return [{"corrected": even, "primary": even} for _ in crops]

    monkeypatch.setattr(here, "_run", run_nothing)
    return state


def rows_of(file) -> list[dict]:
    return list(csv.DictReader(file.open(newline="")))


def test_csv_has_a_row_per_face(here, astronaut_file, tmp_path):
    assert __main__.main([str(astronaut_file)] * 2 + ["--csv", str(tmp_path / "out.csv")]) == 0
    (row,) = rows_of(tmp_path / "out.csv")  # a photo named twice is one photo
    assert float(row["corrected_happiness"]) >= 0 and row["face"] == "1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_continued_by_the_same_command(stopped, number, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(40):
        Image.new("L", (48, 48), 6 * index).save(photos / f"{index:02}.png")
    (photos / "07.png").write_bytes(b"no image")
    out = tmp_path / "out.csv"
    command = [str(photos), "--csv", str(out)]
    stopped.signal = number
    assert __main__.main(command) == 130
    first = out.read_bytes()
    done = len(rows_of(out))
    assert 0 < done < 40 and "goes on" in capsys.readouterr().err
    assert __main__.main(command) == 1  # one file was not read, though in the first run
    assert f"has {done} photos already, {40 - done} to go" in capsys.readouterr().err
    assert out.read_bytes().startswith(first) and stopped.faces == 39
    rows = rows_of(out)
    assert [row["source"] for row in rows] == [str(photos / f"{index:02}.png") for index in range(40)]
    assert [row["face"] for row in rows] == ["" if index == 7 else "1" for index in range(40)]
    assert [bool(row["error"]) for row in rows] == [index == 7 for index in range(40)]
    assert __main__.main(command) == 1 and stopped.faces == 39  # nothing is left to do
    assert __main__.main([*command, "--overwrite"]) == 1 and stopped.faces == 78 and rows_of(out) == rows


def test_files_of_others_are_not_overwritten(here, astronaut_file, tmp_path, capsys):
    for flag in ("--csv", "--jsonl", "--json"):
        file = tmp_path / "notes.txt"
        file.write_text("mine")
        assert __main__.main([str(astronaut_file), flag, str(file)]) == 2
        assert "--overwrite" in capsys.readouterr().err and file.read_text() == "mine"
        assert __main__.main([str(astronaut_file), flag, str(file), "--overwrite"]) == 0
        assert "happiness" in file.read_text()


def test_a_video(here, astronaut, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 3 * index) for index in range(5)])
    out = ["--csv", str(tmp_path / "out.csv"), "--annotated", str(tmp_path / "out.mp4")]
    assert __main__.main([str(clip), *out, "--stride", "2", "--smoothing", "1"]) == 0
    assert [row["frame"] for row in rows_of(tmp_path / "out.csv")] == ["0", "2", "4"]
    assert len(read_pictures(tmp_path / "out.mp4")[0]) == 5
    assert __main__.main([str(clip), *out]) == 2 and "out.csv exists" in capsys.readouterr().err
    assert __main__.main([str(clip)]) == 0
    assert "0.0 s" in capsys.readouterr().out
    assert {file.name for file in tmp_path.iterdir()} == {"clip.mp4", "out.csv", "out.mp4"}


def test_several_videos_and_moving_pictures(here, astronaut, tmp_path, capsys):
    folder = tmp_path / "clips"
    folder.mkdir()
    frames = [scene(astronaut, 3 * index) for index in range(3)]
    write_clip(folder / "one.mp4", frames).rename(folder / "one")
    write_clip(folder / "two.mkv", frames)
    frames[0].save(folder / "three.gif", save_all=True, append_images=frames[1:], duration=100)
    (folder / "four.mp4").write_bytes(b"no video")
    out = tmp_path / "out.csv"
    assert __main__.main([str(folder), "--csv", str(out), "--annotated", str(tmp_path / "copies")]) == 1
    assert [(Path(row["source"]).name, row["frame"]) for row in rows_of(out)] == [
        (name, str(frame)) for name in ("one", "three.gif", "two.mkv") for frame in range(3)
    ]
    copies = {file.name: len(read_pictures(file)[0]) for file in (tmp_path / "copies").iterdir()}
    assert copies == {f"{name}.annotated.mp4": 3 for name in ("one", "two", "three")}
    errors = capsys.readouterr().err
    assert "not read" in errors and "four.mp4 is not a video" in errors
    assert __main__.main([str(folder / "three.gif"), "--json", str(tmp_path / "out.json")]) == 0  # as a photo
    assert "the first picture of several" in capsys.readouterr().err


def test_kinds_that_do_not_go_together(here, astronaut, astronaut_file, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20)])
    assert __main__.main([str(clip), str(astronaut_file)]) == 2
    assert "separate runs" in capsys.readouterr().err
    assert __main__.main([str(clip), "--json", str(tmp_path / "out.json")]) == 2
    assert "--csv and --annotated" in capsys.readouterr().err
    assert __main__.main([str(clip), "--annotated", "out.gif"]) == 2
    assert "out.gif must end with .mp4" in capsys.readouterr().err
    assert __main__.main([str(astronaut_file), "--stride", "2"]) == 2
    errors = capsys.readouterr().err
    assert "--stride and --smoothing are for videos" in errors and "astronaut.png is not a video" in errors
    astronaut.save(tmp_path / "photo.png")
    (tmp_path / "notes.txt").write_text("text")
    assert __main__.main([str(tmp_path)]) == 0
    errors = capsys.readouterr().err
    assert "clip.mp4: a video: name it" in errors and "notes.txt: no photo and no video" in errors


def test_names_of_files_are_no_markup_and_no_escapes(here, tmp_path, capsys, monkeypatch):
    names = ["title [dQw4w9WgXcQ].png", "set[/b].png", "red\x1b[31m\u202e.png", "two\rlines\n.png"]
    (tmp_path / "set[").mkdir()
    for name in names:
        Image.new("L", (48, 48), 99).save(tmp_path / name)
    broken = tmp_path / "broken[red]\x1b[2J.png"
    broken.write_bytes(b"no image")
    assert __main__.main([str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "title [dQw4w9WgXcQ].png" in output.out and "set[/b].png" in output.out
    assert "\\x1b[31m\\u202e.png" in output.out and "two\\rlines\\n.png" in output.out
    assert "broken[red]\\x1b[2J.png" in output.err.replace("\n", "")
    assert "\x1b" not in output.out + output.err and "\r" not in output.out
    table = tmp_path / "out.csv"
    assert __main__.main([str(tmp_path), "--csv", str(table)]) == 1
    assert __main__.main([str(tmp_path), "--csv", str(table)]) == 1  # which reads them again
    assert len(rows_of(table)) == 5


def test_a_narrow_table_keeps_the_ends_of_paths(here, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    folder = tmp_path / "a folder with quite a long name"
    folder.mkdir()
    for name in ("first.png", "second.png"):
        Image.new("L", (48, 48), 99).save(folder / name)
    assert __main__.main([str(folder)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert len(lines) == 2 and all(line.startswith("…") and len(line) <= 90 for line in lines)
    assert "first.png" in lines[0] and "second.png" in lines[1]


def test_all_names_of_a_file_are_one_row(here, tmp_path, monkeypatch):
    Image.new("L", (48, 48), 99).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "./a.png", str(tmp_path / "a.png"), "."):
        assert __main__.main([name, "--csv", "out.csv"]) == 0
        assert [row["source"] for row in rows_of(tmp_path / "out.csv")] == ["a.png"]


def test_one_run_at_a_time_writes_a_file(here, astronaut_file, tmp_path, capsys):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "out.csv").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert __main__.main([str(astronaut_file), "--csv", str(tmp_path / "out.csv")]) == 2
    assert "another run" in capsys.readouterr().err


def test_of_many_files_that_are_left_out_some_are_named(here, astronaut_file, tmp_path, capsys):
    shutil.copy(astronaut_file, tmp_path)
    for index in range(8):
        (tmp_path / f"{index}.txt").write_text("words")
    assert __main__.main([str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left out")]
    assert len(lines) == 6 and "4.txt: " in lines[4] and lines[5].startswith("left out: 3 more files: ")


def test_without_a_readable_photo_there_is_no_table(folder, capsys):
    assert __main__.main([str(folder / "broken.jpg"), "--detector", "none"]) == 1
    assert capsys.readouterr().out.splitlines() == ["0 faces in 1 photo (1 not read)"]


def test_thresholds_of_the_detector(astronaut_file, capsys):
    for flags, faces in (([], 1), (["--min_face", "400"], 0), (["--min_score", "0.99"], 0)):
        assert __main__.main([str(astronaut_file), "--detector", "hog", *flags]) == 0
        assert f"{faces} face" in capsys.readouterr().out


def test_ctrl_c_leaves_a_video_as_far_as_it_got(stopped, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, index) for index in range(40)])
    stopped.signal = signal.SIGINT
    assert (
        __main__.main([str(clip), "--csv", str(tmp_path / "out.csv"), "--annotated", str(tmp_path / "out.mp4")]) == 130
    )
    frames = len(rows_of(tmp_path / "out.csv"))
    assert 0 < frames < 40 and len(read_pictures(tmp_path / "out.mp4")[0]) == frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["README.md", "--annotated", "out.mp4"], "README.md is not a video"),
        (["nowhere.jpg"], "nowhere.jpg"),
        (["README.md", "--model", "no/such/folder"], "no/such/folder"),
        (["README.md", "--runtime", "fastest"], "unknown runtime 'fastest': choose one of auto, torch"),
        (["README.md", "--runtime", "no.onnx"], "no.onnx does not exist"),
        (["README.md", "--csv", "nowhere/out.csv"], "make the folder nowhere first"),
        (["README.md", "--jsonl", "tests"], "tests is a folder: name a file in it"),
        (["README.md", "--model", "tests"], "tests holds no model: it has no config.json."),
    ],
)
def test_what_cannot_work_ends_with_one_message_and_status_2(arguments, message, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert __main__.main([*arguments, "--detector", "none"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "--min_score", "1.5"], "--min_score lies between"),
        (["a.jpg", "--min_face", "nan"], "--min_face is at least 0"),
        (["a.jpg", "--max_megapixels", "0"], "--max_megapixels is above 0"),
        (["b.mp4", "--smoothing", "-1"], "--smoothing at least 0"),
    ],
)
def test_flags_that_do_not_fit(arguments, message, capsys):
    with pytest.raises(SystemExit):
        __main__.parse_args(arguments)
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_shared_photos_have_enough_faces(shared, tmp_path):
    photos = shared / "photos"
    yunet = {"GREFEL_YUNET": str(shared / "models" / "face_detection_yunet.onnx")}
    for detector, least, most in (("hog", 19, 22), ("yunet", 22, 22)):
        out = tmp_path / f"{detector}.json"
        done = run(photos, "--detector", detector, "--json", out, **yunet)
        assert done.returncode == 0, done.stderr
        faces = [face for photo in json.loads(out.read_text()) for face in photo["faces"]]
        assert least <= len(faces) <= most
