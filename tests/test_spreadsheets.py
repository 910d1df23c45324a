"""No cell is a formula, and what was written is read again."""

import csv
import io

import pandas as pd
import pytest

from grefel_hf.cli.result_files import CsvFormat, ResultFile
from grefel_hf.faces.photos import PhotoError
from grefel_hf.predictor import PhotoFailure
from grefel_hf.spreadsheets import as_cell, csv_text, from_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''=1"])
def test_formulas_are_marked_and_come_back(text):
    assert as_cell(text) == "'" + text and from_cell(as_cell(text)) == text


@pytest.mark.parametrize("value", ["photo.jpg", "'quoted'", "", "'", -1.5, 3, None])
def test_all_else_stays(value):
    assert as_cell(value) == value
    assert not isinstance(value, str) or from_cell(value) == value


def test_tables():
    table = pd.DataFrame({"source": ["=1", "a.jpg"], "score": [-0.5, 1.0], "faces": [1, 2]})
    assert csv_text(table) == "source,score,faces\n'=1,-0.5,1\na.jpg,1.0,2\n"


def test_the_command_lines_file_goes_on(tmp_path):
    name = "=HYPERLINK(1).jpg"
    for _ in range(2):
        file = ResultFile(tmp_path / "out.csv", CsvFormat(("a", "b")), "hog", "-model@1", overwrite=False)
        if file.record(name) is None:
            file.add(PhotoFailure(name, PhotoError("@ is not read")))
        assert file.record(name)
        file.close()
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert row["source"] == "'" + name and row["error"][0] == "'" and row["model"][0] == "'"
