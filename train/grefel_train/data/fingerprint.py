"""What tells one set of images and labels from another, wherever it lies."""

import hashlib
from pathlib import Path

from datasets import Dataset, IterableDataset

from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.splits import training_target_column


def data_fingerprint(split: Dataset | IterableDataset | None) -> str | None:
    """
    sha256 over the labels and images of a split in their order; None of a stream, or where there is no split.

    An image that the split holds counts by its bytes, a file by its name, that of its folder, and its size: reading
    large photos once more would take minutes.
    """
    if not isinstance(split, Dataset):
        return None
    digest = hashlib.sha256(str(read_column(split, training_target_column(split)).to_pylist()).encode())
    for batch in split.select_columns("image").with_format("arrow").iter(1000):
        for image in batch["image"].to_pylist():
            digest.update(image_identity(image or {}))
    return digest.hexdigest()


def image_identity(image: dict) -> bytes:
    if image.get("bytes") is not None:
        return hashlib.sha256(image["bytes"]).digest()
    path = Path(image.get("path") or "")
    size = path.stat().st_size if path.is_file() else -1
    return f"\0{path.parent.name}/{path.name} {size}".encode()
