"""
Predictions in parts that several processes write and a later run completes.

Part k holds the rows [k P, (k + 1) P) of the data and appears whole; who wrote it does not show. The manifest says what
the parts are predictions of, so that no other run adds to them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets import Dataset

from grefel_hf.files import whole_file, write_text

MANIFEST = "manifest.yaml"  # no ending that `datasets` would take for data
SAMPLED_IMAGES = 64


@dataclass(frozen=True)
class Parts:
    """Where the parts of `num_rows` rows lie, `size` rows each."""

    folder: Path
    num_rows: int
    size: int

    def __len__(self) -> int:
        return -(-self.num_rows // self.size)

    def rows(self, part: int) -> range:
        return range(part * self.size, min((part + 1) * self.size, self.num_rows))

    def file(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}-of-{len(self):05d}.parquet"

    def missing(self) -> list[int]:
        return [part for part in range(len(self)) if not self.file(part).exists()]

    def write(self, part: int, table: pa.Table):
        """Write a part whole or not at all."""
        with whole_file(self.file(part)) as partial:
            pq.write_table(table, partial)


def begin_or_continue(folder: Path, settings: dict[str, Any]):
    """
    Make the folder with its manifest, or see that it is one of the same run.

    Args:
        settings: what the predictions depend on, as plain values.

    Raises:
        ValueError: the folder has something else; the message names the first settings that differ.
    """
    manifest = folder / MANIFEST
    folder.mkdir(parents=True, exist_ok=True)
    if not manifest.exists():
        if any(folder.iterdir()):
            raise ValueError(f"{folder} has files that are no predictions: choose another --output_dir.")
        write_text(manifest, yaml.safe_dump(settings, sort_keys=False))
        return
    earlier = yaml.safe_load(manifest.read_text())
    if not isinstance(earlier, dict):
        raise ValueError(f"{manifest} is damaged: choose another --output_dir.")
    names = [name for name in {**earlier, **settings} if earlier.get(name) != settings.get(name)]
    if names:
        differences = ", ".join(f"{name} was {earlier.get(name)}, is {settings.get(name)}" for name in names)
        raise ValueError(f"{folder} has predictions of another run ({differences}): choose another --output_dir.")
    for partial in folder.glob(".*.partial"):  # of a run that was killed
        partial.unlink(missing_ok=True)


def data_fingerprint(data: Dataset, image_column: str) -> str:
    """
    sha256 over the number of rows and the contents of up to 64 images spread over them. It does not depend on where
    the data lies or which cache it came from, and does not notice if only other images have changed.

    Args:
        data: with undecoded images.
    """
    digest = hashlib.sha256(str(len(data)).encode())
    step = max(1, len(data) // SAMPLED_IMAGES)
    for content in _contents(data.select(range(0, len(data), step)), image_column):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _contents(data: Dataset, image_column: str) -> Iterator[bytes]:
    for row in data:
        image = row[image_column] or {}
        path = image.get("path") or ""
        if image.get("bytes") is not None:
            yield image["bytes"]
        else:
            yield Path(path).read_bytes() if Path(path).is_file() else path.encode()
