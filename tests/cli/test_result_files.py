"""Files that a second run continues, wherever the first one was stopped."""

import csv
import errno
import io
import json
from dataclasses import replace

import pytest

from grefel_hf import PhotoError, PhotoFailure
from grefel_hf.cli.result_files import CsvFormat, JsonLinesFormat, ResultFile, ResultFileError
from grefel_hf.cli.terminal import visible
from tests.helpers.face_examples import LABELS, anchors_near, distribution, face, photo

SMILE = face(distribution(happiness=0.8), similarities=anchors_near(happiness=0.6))
RESULTS = [
    replace(photo(SMILE, SMILE, SMILE), source="three.jpg"),
    replace(photo(), source='none, "quoted"\nin two lines.jpg'),
    PhotoFailure("broken.jpg", PhotoError("broken.jpg is damaged (line one\nline two)")),
    replace(photo(SMILE), source="caf\udce9.jpg"),  # a name that is not UTF-8
]
FORMATS = {"csv": CsvFormat(LABELS), "jsonl": JsonLinesFormat()}


def write(path, form, results=RESULTS, detector="hog", model="tiny@0", overwrite=False) -> ResultFile:
    """What a run does: add what is not there yet."""
    file = ResultFile(path, form, detector, model, overwrite)
    for result in results:
        if file.record(result.source) is None:
            file.add(result)
    file.close()
    return file


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere_is_completed_to_the_same(kind, tmp_path):
    form = FORMATS[kind]
    write(tmp_path / "whole", form)
    whole = (tmp_path / "whole").read_bytes()
    for length in (*range(0, len(whole), 61), len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        file = write(tmp_path / "cut", form)
        assert (tmp_path / "cut").read_bytes() == whole, length
        assert [record.faces for record in file.records.values()] == [3, 0, 0, 1]
        assert [record.was_read for record in file.records.values()] == [True, True, False, True]


def test_a_full_disk_is_one_sentence_and_the_next_run_completes_the_file(tmp_path, monkeypatch):
    class Full(io.RawIOBase):
        def write(self, data):
            with path.open("ab") as file:  # the disk takes the half of it
                file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    path, photo = tmp_path / "out.jsonl", PhotoFailure("a.jpg", PhotoError("it is none"))
    file = ResultFile(path, JsonLinesFormat(), "hog", "model", overwrite=False)
    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(OSError, match="out.jsonl cannot be written: No space left on device$"):
        file.add(photo)
    assert 0 < path.stat().st_size and not path.read_text().endswith("\n")
    monkeypatch.undo()
    file.close()
    again = ResultFile(path, JsonLinesFormat(), "hog", "model", overwrite=False)
    assert again.record("a.jpg") is None
    again.add(photo)
    again.close()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["source"] == "a.jpg"


def test_csv_rows(tmp_path):
    write(tmp_path / "out.csv", FORMATS["csv"])
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="")))
    assert [(row["face"], row["faces"]) for row in rows] == [*zip("123", "333"), ("0", "0"), ("", ""), ("1", "1")]
    assert {(row["detector"], row["model"]) for row in rows} == {("hog", "tiny@0")}
    assert rows[4]["error"] == "broken.jpg is damaged (line one line two)"
    assert rows[3]["source"] == visible(RESULTS[1].source)
    assert float(rows[0]["primary_happiness"]) == pytest.approx(0.8) and rows[0]["confidence_geometric"]


def test_json_lines(tmp_path):
    write(tmp_path / "out.jsonl", FORMATS["jsonl"])
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [len(line.get("faces", "x")) for line in lines] == [3, 0, 1, 1]
    assert "faces" not in lines[2] and "damaged" in lines[2]["error"]
    assert lines[0]["faces"][0]["label"] == "happiness" and lines[0]["model"] == "tiny@0"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("changed", [{"detector": "yunet"}, {"model": "tiny@1"}])
def test_another_run_is_refused_by_name_or_overwrites(kind, changed, tmp_path):
    path = tmp_path / "out"
    write(path, FORMATS[kind])
    before = path.read_bytes()
    with pytest.raises(ResultFileError, match=f"hog and tiny@0.*{next(iter(changed.values()))}"):
        write(path, FORMATS[kind], **changed)
    assert path.read_bytes() == before
    write(path, FORMATS[kind], RESULTS[:1], overwrite=True, **changed)
    assert path.read_bytes() != before


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"no line break", b"a,b\n1,2\n", b'{"a": 1}\n', b"\xff\xd8\xff\xe0 a photo"])
def test_what_is_no_result_file_stays(kind, content, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(content)
    with pytest.raises(ResultFileError, match="something else.*--overwrite"):
        write(path, FORMATS[kind])
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("csv", b'"' + b"x\n" * 600_000),
        ("csv", b"x" * 200_000 + b"," * 40 + b"\n"),
        ("jsonl", b'{"source": ' + b"[" * 100_000 + b"\n"),
    ],
    ids=["quotes that are never closed", "a cell of 200 kB", "lists in lists"],
)
def test_rows_that_are_made_to_harm_are_no_rows(kind, row, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(FORMATS[kind].header.encode() + row)
    with pytest.raises(ResultFileError, match="something else"):
        write(path, FORMATS[kind])
    assert path.read_bytes().endswith(row)
