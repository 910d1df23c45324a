"""
Result files that grow photo by photo, so that a run that was stopped goes on where it was.

Every photo is in the file: with its faces, as one without a face, or with the error that kept it from being read. Each
row or line names the detector and the model, so that no run continues what another one began.
"""

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..checkpoint import checkpoint_digest
from ..faces.links import is_link
from ..predictor import PhotoFailure
from ..results import PhotoPrediction, face_columns, face_row
from ..spreadsheets import as_cell, from_cell
from .terminal import one_line, visible

LONGEST_ROW = 1_000_000  # bytes of a CSV file


class ResultFileError(ValueError):
    """A file that this run may not write to; the message says why and what to do."""


@dataclass(frozen=True)
class Record:
    """What is known of one photo in a file: the results of one run share `detector` and `model`."""

    source: str
    faces: int
    was_read: bool
    detector: str
    model: str


class CsvFormat:
    """
    One row per face: source, face (from 1), faces (how many the photo has), the columns of `face_columns`, detector,
    model, error. A photo without a face has one row with face 0, an unreadable one a row with an error only.
    """

    def __init__(self, labels: tuple[str, ...]):
        self.columns = ["source", "face", "faces", *face_columns(labels), "detector", "model", "error"]
        self.header = self._text([dict(zip(self.columns, self.columns))])

    def text(self, photo: PhotoPrediction, origin: dict[str, str]) -> str:
        shared = {"source": visible(photo.source), "faces": len(photo.faces), **origin}
        faces = [shared | {"face": number} | face_row(face) for number, face in enumerate(photo.faces, start=1)]
        return self._text(faces or [shared | {"face": 0}])

    def failure_text(self, failure: PhotoFailure, origin: dict[str, str]) -> str:
        return self._text([{"source": visible(failure.source), "error": one_line(failure.error), **origin}])

    def records(self, file: io.BufferedIOBase) -> Iterator[tuple[int, Record]]:
        """Each photo that is there whole, with the position at which it ends. Raises ValueError for other contents."""
        for end, lines in _csv_rows(file):
            cells = map(from_cell, next(csv.reader(io.StringIO(lines.decode(), newline=""))))
            row = dict(zip(self.columns, cells, strict=True))
            if row["face"] == row["faces"]:  # of several faces the last one
                faces, was_read = int(row["faces"] or 0), not row["error"]
                yield end, Record(row["source"], faces, was_read, row["detector"], row["model"])

    def _text(self, rows: list[dict[str, Any]]) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
        return text.getvalue()


class JsonLinesFormat:
    """One line per photo: `PhotoPrediction.to_dict` with `model`, or source, error, detector and model."""

    header: ClassVar[str] = ""
    start = b'{"source": '

    def text(self, photo: PhotoPrediction, origin: dict[str, str]) -> str:
        return json.dumps(photo.to_dict() | origin | {"source": visible(photo.source)}) + "\n"

    def failure_text(self, failure: PhotoFailure, origin: dict[str, str]) -> str:
        return json.dumps({"source": visible(failure.source), "error": one_line(failure.error), **origin}) + "\n"

    def records(self, file: io.BufferedIOBase) -> Iterator[tuple[int, Record]]:
        """Each line that is there whole, with the position at which it ends. Raises ValueError for other contents."""
        end = 0
        for line in file:
            end += len(line)
            if line[: len(self.start)] != self.start[: len(line)]:
                raise ValueError("no line of ours")
            if not line.endswith(b"\n"):
                return
            row = json.loads(line)
            yield end, Record(row["source"], len(row.get("faces", ())), "faces" in row, row["detector"], row["model"])


class ResultFile:
    """
    Results of photos, appended to a file one photo at a time, in one write each.

    What an earlier run of the same model and detector wrote is kept; `records` has it by source. A last photo that was
    not written to its end is taken out.

    Args:
        overwrite: begin anew instead.

    Raises:
        ResultFileError: the file holds something else.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, form: CsvFormat | JsonLinesFormat, detector: str, model: str, overwrite: bool):
        self.path, self.form = path, form
        self.origin = {"detector": detector, "model": model}
        self.records: dict[str, Record] = {}  # by `_key` of their source
        self._file = path.open("ab", buffering=0)
        try:
            self._lock()
            self._file.truncate(0 if overwrite else self._read())
        except BaseException:
            self._file.close()
            raise
        if not path.stat().st_size:
            self._append(form.header)

    def add(self, result: PhotoPrediction | PhotoFailure):
        """Append one photo. Raises OSError where the disk takes no more."""
        if isinstance(result, PhotoFailure):
            self._append(self.form.failure_text(result, self.origin))
        else:
            self._append(self.form.text(result, self.origin))
        faces = 0 if isinstance(result, PhotoFailure) else len(result.faces)
        source = visible(result.source)
        self.records[_key(source)] = Record(source, faces, not isinstance(result, PhotoFailure), **self.origin)

    def record(self, photo: Path | str) -> Record | None:
        return self.records.get(_key(visible(str(photo))))

    def close(self):
        self._file.close()

    def _lock(self):
        """One run writes; the system lets go of the file when the run ends, however it does."""
        with contextlib.suppress(ImportError):  # Windows has no such locks
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ResultFileError(f"{self.path} is being written by another run: wait for it.") from error

    def _append(self, text: str):
        rest = memoryview(text.encode())
        try:
            while rest:  # a raw file may take less than it is given
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error.strerror}") from error

    def _read(self) -> int:
        """Take in the records; gives the position up to which the file is whole, 0 for one to begin anew."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            header = self.form.header.encode()
            start = file.read(len(header))
            if start == header[: len(start)] and len(start) < len(header):  # empty, or killed while it wrote the header
                return 0
            whole = len(header)
            try:
                if start != header:
                    raise ValueError("its columns are others")
                for end, record in self.form.records(file):
                    if {"detector": record.detector, "model": record.model} != self.origin:
                        raise ResultFileError(self._refusal(f"it was made with {record.detector} and {record.model}"))
                    self.records[_key(record.source)] = record
                    whole = len(header) + end
            except ResultFileError:
                raise
            except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError, csv.Error) as error:
                raise ResultFileError(self._refusal("it holds something else")) from error
            return whole
        return 0

    def _refusal(self, reason: str) -> str:
        ours = f"{self.origin['detector']} and {self.origin['model']}"
        return (
            f"{self.path} exists, and {reason}, so this run with {ours} cannot continue it. Choose another file, or "
            "replace it with --overwrite."
        )


def model_name(model: str, answer_only: float | None = None, answer_all: bool = False) -> str:
    """
    Name of a model's folder or its Hub id, with the beginning of its digest, NAME@0123456789ab, and with what decides
    which faces get a label.
    """
    name = Path(model).resolve().name if Path(model).is_dir() else model
    answers = " answer_all" * answer_all if answer_only is None else f" answer_only {answer_only:g}"
    return f"{name}@{checkpoint_digest(model)[:12]}{answers}"


def _key(source: str) -> str:
    """The same for every name of a file: relative, absolute, through a dot."""
    return source if is_link(source) else os.path.abspath(source)


def _csv_rows(file: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Rows that end in a line break outside of quotes, with the position at which each ends."""
    end, start, lines, is_quoted = 0, 0, [], False
    for line in file:
        end += len(line)
        lines.append(line)
        is_quoted ^= line.count(b'"') % 2 == 1
        if end - start > LONGEST_ROW:
            raise ValueError("no row of ours")
        if line.endswith(b"\n") and not is_quoted:
            yield end, b"".join(lines)
            start, lines = end, []
