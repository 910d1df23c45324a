"""train/predict.py: any number of processes, killed or not, gives the same rows."""

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import predict
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_train.data.dataset import FaceDataset, normalize
from tests.helpers.launch import run
from tests.helpers.tiny import LABELS, tiny_config
from tests.helpers.training_runs import write_faces

ROWS = 62
FLAGS = ["--rows_per_part", 6, "--batch_size", 4, "--embeddings", "--on_bad_image", "skip"]
# A process that is killed while it writes its third part.
KILLED = """
import os, signal, sys
import predict
from pyarrow import parquet

write_table, begun = parquet.write_table, []

def write_or_die(table, file):
    begun.append(file)
    if len(begun) == 3:
        file.write_bytes(b"half a par")
        os.kill(os.getpid(), signal.SIGKILL)
    write_table(table, file)

parquet.write_table = write_or_die
predict.main(predict.parse_args(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and a folder of images without labels, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("predict")
    torch.manual_seed(0)
    GReFELForImageClassification(tiny_config()).save_pretrained(folder / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder / "model")
    write_faces(folder / "faces", ROWS, classes=("all",))
    (folder / "faces" / "all" / "9.png").write_bytes(b"no picture")
    return folder


def words(folder, out, *flags) -> list:
    data = ["--model", folder / "model", "--dataset_name", folder / "faces", "--output_dir", out]
    return ["train/predict.py", *data, *FLAGS, *flags]


def rows_of(out) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted(out.glob("part-*.parquet"))])


@pytest.fixture(scope="module")
def one(folder):
    """What one process writes."""
    done = run(*words(folder, folder / "one"))
    assert done.returncode == 0, done.stderr
    assert f"All {ROWS} rows are in" in done.stdout
    return rows_of(folder / "one")


def test_every_image_has_one_row(one):
    assert one["row"].to_pylist() == list(range(ROWS))
    errors = [error for error in one["error"].to_pylist() if error]
    (bad,) = [row for row in one.to_pylist() if row["error"]]
    assert len(errors) == 1 and bad["image"].endswith("/9.png") and bad["label"] is None
    assert set(one["label"].to_pylist()) <= {*LABELS, None}


def test_the_rows_are_what_evaluation_computes(one, folder):
    data = datasets.load_dataset("imagefolder", data_dir=str(folder / "faces"), split="train")
    data = data.select(range(6)).add_column("label", [0] * 6) if "label" not in data.column_names else data
    model = GReFELForImageClassification.from_pretrained(folder / "model").eval()
    processor = GReFELImageProcessor.from_pretrained(folder / "model")
    faces = FaceDataset(data, processor, "label")
    pixels = torch.stack([faces[row]["pixels"] for row in range(5)])
    with torch.no_grad():
        output = model(pixel_values=normalize(pixels / 255, processor))
    corrected = torch.tensor([one[f"corrected_{label}"].to_pylist()[:5] for label in LABELS]).T
    assert corrected == pytest.approx(output.logits.softmax(-1), abs=1e-5)
    assert one["score"].to_pylist()[:5] == pytest.approx(corrected.max(-1).values.tolist())
    assert torch.tensor(one["embedding"].to_pylist()[:5]) == pytest.approx(output.embedding, abs=1e-4)
    assert one["confidence_corrected"].to_pylist()[:5] == pytest.approx(output.corrected_confidence.tolist(), abs=1e-4)


def test_two_processes_killed_and_started_again_write_the_same(one, folder):
    out = folder / "two"
    run("-c", KILLED, *words(folder, out)[1:], processes=2)
    parts = sorted(out.glob("part-*"))
    assert 2 <= len(parts) <= 4 < len(list((folder / "one").glob("part-*"))) and list(out.glob(".*"))
    before = {part: part.stat().st_mtime_ns for part in parts}
    done = run(*words(folder, out), processes=2)
    assert done.returncode == 0, done.stderr
    assert f"All {ROWS} rows are in" in done.stdout
    assert rows_of(out).equals(one)  # to the last bit
    assert {part: part.stat().st_mtime_ns for part in before} == before  # nothing is done twice
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch_size", 3], "batch_size was 4, is 3"),
        (["--detector", "hog"], "detector was none, is hog"),
        (["--split", "test"], "no split 'test'"),
        (["--image_column_name", "face"], "no column 'face'"),
        (["--dataset_name", "nowhere.parquet"], "no such file"),
        (["--model", "no/such/model"], "no/such/model"),
    ],
)
def test_another_run_and_wrong_flags_are_refused(one, folder, flags, message, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    with pytest.raises(SystemExit, match="Cannot predict.*" + message):
        predict.main(predict.parse_args(list(map(str, words(folder, folder / "one", *flags)[1:]))))


def test_other_images_and_foreign_folders_are_refused(one, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    write_faces(tmp_path / "faces", ROWS - 1, classes=("all",))
    flags = list(map(str, words(folder, folder / "one", "--dataset_name", tmp_path / "faces")[1:]))
    with pytest.raises(SystemExit, match="another run .*data_sha256 was"):
        predict.main(predict.parse_args(flags))
    with pytest.raises(SystemExit, match="files that are no predictions"):
        predict.main(predict.parse_args([*flags, "--output_dir", str(tmp_path)]))


def test_photos_give_a_row_for_each_face(folder, astronaut, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    pair = Image.new("RGB", (1024, 512))
    pair.paste(astronaut, (0, 0))
    pair.paste(astronaut, (512, 0))
    (tmp_path / "photos").mkdir()
    for name, photo in (("0.png", pair), ("1.png", Image.new("RGB", (90, 90))), ("2.png", astronaut)):
        photo.save(tmp_path / "photos" / name)
    flags = words(folder, tmp_path / "out", "--dataset_name", tmp_path / "photos", "--detector", "hog")[1:]
    with pytest.raises(SystemExit) as end:
        predict.main(predict.parse_args(list(map(str, flags))))
    assert end.value.code == 0
    rows = rows_of(tmp_path / "out").to_pylist()
    assert [(row["row"], row["face"]) for row in rows] == [(0, 1), (0, 2), (1, 0), (2, 1)]
    assert rows[2]["label"] is None and rows[0]["left"] < 300 < rows[1]["left"] < 800


def test_a_bad_image_ends_the_run_by_name_and_may_then_be_skipped(one, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    flags = list(map(str, words(folder, tmp_path / "out", "--rows_per_part", 25)[1:]))
    with pytest.raises(SystemExit, match="Stopped: Cannot read .*/9.png .*--on_bad_image skip.* goes on from here"):
        predict.main(predict.parse_args([*flags, "--on_bad_image", "error"]))
    assert len(list((tmp_path / "out").glob("part-*"))) == 2
    with pytest.raises(SystemExit):
        predict.main(predict.parse_args(flags))
    assert rows_of(tmp_path / "out")["error"].to_pylist() == one["error"].to_pylist()
