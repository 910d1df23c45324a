"""The images nearest to each anchor, so that a person sees what it has learned; for whoever may see the data."""

from pathlib import Path

import numpy as np

from grefel_train.data.contact_sheet import Tile, contact_sheet, picture
from grefel_train.evaluation.material import Material

SIDE = 88  # of a face, in pixels
WRONG = "#ff8a80"  # of the name of another class


def nearest_images(embeddings: np.ndarray, anchors: np.ndarray, count: int) -> np.ndarray:
    """Of embeddings (E, D), the positions (A, count) of those nearest to anchors (A, D), nearest first."""
    squared = np.stack([((embeddings - anchor) ** 2).sum(1) for anchor in anchors])  # (A, E)
    return np.argsort(squared, axis=1, kind="stable")[:, :count]


def write_gallery(folder: Path, material: Material, count: int = 12) -> list[Path]:
    """A PNG for each class: a row for each of its anchors, the nearest images in it with their true classes on them."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_sheet(folder, material, index, count) for index in range(len(material.model_names))]


def write_sheet(folder: Path, material: Material, index: int, count: int) -> Path:
    """The sheet of one class."""
    seen, name = material.seen, material.model_names[index]
    nearest = seen.embedding_rows[nearest_images(seen.embeddings, material.anchors[index], count)]  # (K, count)
    labels = material.labels()

    def tile(row: int) -> Tile:
        truth = material.model_names[labels[row]] if labels[row] >= 0 else "no majority"
        return Tile(picture(material.faces[row]["pixels"]), truth, "white" if labels[row] == index else WRONG)

    sheet = contact_sheet([[tile(int(row)) for row in line] for line in nearest], SIDE)
    file = folder / f"{index}-{name.replace('/', '-')}.png"
    sheet.save(file)
    return file
