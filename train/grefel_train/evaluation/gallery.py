"""The images nearest to each anchor, so that a person sees what it has learned; for whoever may see the data."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from grefel_train.evaluation.material import Material

SIDE, GAP, MARGIN = 88, 3, 16  # pixels


def nearest_images(embeddings: np.ndarray, anchors: np.ndarray, count: int) -> np.ndarray:
    """Of embeddings (E, D), the positions (A, count) of those nearest to anchors (A, D), nearest first."""
    squared = np.stack([((embeddings - anchor) ** 2).sum(1) for anchor in anchors])  # (A, E)
    return np.argsort(squared, axis=1, kind="stable")[:, :count]


def write_gallery(folder: Path, material: Material, count: int = 12) -> list[Path]:
    """A PNG for each class: a row for each of its anchors, the nearest images in it with their true classes below."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_sheet(folder, material, index, count) for index in range(len(material.model_names))]


def write_sheet(folder: Path, material: Material, index: int, count: int) -> Path:
    """The sheet of one class."""
    seen, name = material.seen, material.model_names[index]
    nearest = seen.embedding_rows[nearest_images(seen.embeddings, material.anchors[index], count)]  # (K, count)
    labels = material.labels()
    height = SIDE + MARGIN + GAP
    sheet = Image.new("RGB", (nearest.shape[1] * (SIDE + GAP), len(nearest) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for (line, column), row in np.ndenumerate(nearest):
        pixels = material.faces[int(row)]["pixels"].permute(1, 2, 0).numpy()  # (3, S, S) -> (S, S, 3)
        left, top = column * (SIDE + GAP), line * height
        sheet.paste(Image.fromarray(pixels).resize((SIDE, SIDE)), (left, top))
        truth = material.model_names[labels[row]] if labels[row] >= 0 else "no majority"
        draw.text((left + 2, top + SIDE + 1), truth, fill="black" if labels[row] == index else "#b3261e")
    file = folder / f"{index}-{name.replace('/', '-')}.png"
    sheet.save(file)
    return file
