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


def check_kept_out(calibration: Dataset, results: dict | None, calibration_fraction: float):
    """
    Raises:
        ValueError: `results`, the run's own record, does not say that it kept these very images out of training.
    """
    if results is None:
        return
    noted = results.get("data", {}).get("calibration")
    if noted is None and results["args"].get("calibration_fraction", 0) == calibration_fraction:
        return  # a run of before such notes were taken
    if noted is None:
        raise ValueError(
            "the run kept no images out of training by --calibration_fraction "
            f"{calibration_fraction}: it has trained on those that this would be fitted to."
        )
    if noted != data_fingerprint(calibration):
        raise ValueError(
            "these are not the images that the run kept out of training: name the same data with the same flags as the "
            f"run did (its --calibration_fraction was {results['args'].get('calibration_fraction')})."
        )
