"""What a person decided about labels, and a new set of labels that follows it; the old one is never touched."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, Image, List, Value

from grefel_hf.files import whole_folder
from grefel_hf.spreadsheets import from_cell
from grefel_train.audit.images import AuditImages
from grefel_train.data.adapters.canonical import list_column, read_column
from grefel_train.data.columns import is_address
from grefel_train.data.splits import training_target_column
from grefel_train.evaluation.images import image_paths

COLUMNS = ("split", "row", "file", "given", "decision", "label")
DECISIONS = ("keep", "change", "remove")


class Decision(NamedTuple):
    """What becomes of the image at a position: the class id of its label, or None to leave it out."""

    position: int
    label: int | None


def read_decisions(file: Path, images: AuditImages) -> list[Decision]:
    """
    The changes that a decisions.csv asks for; rows to keep are none.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, belongs to other data, or names an unknown decision or class.
    """
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(f"{file} has no column {missing[0]}: it is no decisions.csv of an audit.")
    places = {place: i for i, place in enumerate(zip(images.split_names.tolist(), map(str, images.rows)))}
    ids = {name: index for index, name in enumerate(images.label_names)}
    decisions: dict[int, Decision] = {}
    for number, line in enumerate(table.map(from_cell).to_dict("records"), start=2):
        position = places.get((line["split"], line["row"]))
        if position is None or images.files[position] != line["file"] or line["given"] not in ids:
            raise ValueError(f"{file}, line {number}: the data has no image {line['file']} there; is it the same data?")
        if images.labels[position] != ids[line["given"]]:
            raise ValueError(f"{file}, line {number}: {line['file']} is no longer labelled {line['given']}.")
        if line["decision"] not in DECISIONS:
            raise ValueError(f"{file}, line {number}: {line['decision']!r} is none of {', '.join(DECISIONS)}.")
        if line["decision"] == "change" and line["label"] not in ids:
            raise ValueError(f"{file}, line {number}: the data has no class {line['label']!r}.")
        if position in decisions:
            raise ValueError(f"{file}, line {number}: {line['file']} is decided twice.")
        label = {"keep": ids[line["given"]], "change": ids.get(line["label"]), "remove": None}[line["decision"]]
        decisions[position] = Decision(position, label)
    return [decision for decision in decisions.values() if decision.label != images.labels[decision.position]]


def write_labels(folder: Path, images: AuditImages, decisions: Sequence[Decision]):
    """
    A new folder with a file for each split that `--dataset_name FOLDER` reads: SPLIT.csv with paths and labels where
    all images are files with one label each, SPLIT.parquet with the images in it otherwise.

    Raises:
        ValueError: the folder exists.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists, and an audit overwrites no labels: name another --output_dir.")
    changed = {decision.position: decision.label for decision in decisions}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as partial:
        start = 0
        for name, split in images.splits.items():
            own = {i: changed[start + i] for i in range(len(split)) if start + i in changed}
            start += len(split)
            write_split(partial / name, split, own, images.label_names)


def write_split(stem: Path, split: Dataset, changed: dict[int, int | None], label_names: Sequence[str]):
    """
    Args:
        stem: the file without its ending.
        changed: by row, the new class id, or None to leave the image out.
    """
    kept = [row for row in range(len(split)) if changed.get(row, 0) is not None]
    target, places = training_target_column(split), absolute_places(split)
    if target == "label" and places is not None:
        given = read_column(split, "label").to_pylist()
        labels = [label_names[changed.get(row, given[row])] for row in kept]
        table = pd.DataFrame({"image": [places[row] for row in kept], "label": labels})
        table.to_csv(stem.with_suffix(".csv"), index=False)
        return
    column, feature = targets(split, target, changed, label_names)
    others = [name for name in ("name", "group") if name in split.column_names]
    split = split.select_columns(["image", *others]).add_column(target, column, feature=feature)
    if places is not None:
        split = split.remove_columns("image").add_column("image", places).cast_column("image", Image())
    split.select(kept).to_parquet(stem.with_suffix(".parquet"))


def absolute_places(split: Dataset) -> list[str] | None:
    """Where each image is, whatever folder one looks from; None where images are in the data itself."""
    paths = image_paths(split) or [""]
    if not all(is_address(path) or Path(path).is_file() for path in paths):
        return None
    return [path if is_address(path) else str(Path(path).resolve()) for path in paths]


def targets(split: Dataset, target: str, changed: dict[int, int | None], label_names: Sequence[str]):
    """The column `label` or `distribution` with the changes in it, and its feature; a changed vote is unanimous."""
    values = np.array(read_column(split, target).to_pylist())
    for row, label in changed.items():
        if label is not None:
            values[row] = label if target == "label" else np.eye(len(label_names))[label]
    if target == "label":
        return values, ClassLabel(names=list(label_names))
    return list_column(values.astype(np.float32)), List(Value("float32"), length=len(label_names))
