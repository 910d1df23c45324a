"""
FER2013 (Goodfellow et al., 2013): small grey faces from the web with one label each, as Kaggle hands them out.

Where: `fer2013.csv` is in the archive fer2013.tar.gz of Kaggle's "Challenges in Representation Learning: Facial
Expression Recognition Challenge", `icml_face_data.csv` with the same rows beside it. They were gathered by web search:
research use, not to be redistributed.

Layout, one file: columns emotion (0 to 6), pixels (48 x 48 greys) and Usage, in the latter with spaces before names.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, plain_errors, read_column, require

FILES = ("fer2013.csv", "icml_face_data.csv")
# In the order of the labels 0 to 6.
LABEL_NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
SIDE = 48
COLUMNS = ("emotion", "pixels", "Usage")


def load(folder: Path) -> FaceSplits:
    """
    The splits "train", "validation" (Kaggle's public test) and "test" (its private test) that the file has.

    Raises:
        FileNotFoundError: the folder or its file is not there.
        ValueError: a column is missing, or a row cannot be read.
    """
    from datasets import ClassLabel, Dataset, Features, Image, Value

    require(folder, "the folder of fer2013.csv")
    file = next((folder / name for name in FILES if (folder / name).exists()), None)
    if file is None:
        raise FileNotFoundError(f"{folder} has no {' and no '.join(FILES)}; point --dataset_dir at the folder of one.")
    features = Features({"image": Image(), "label": ClassLabel(names=list(LABEL_NAMES)), "usage": Value("string")})
    with plain_errors():
        data = Dataset.from_generator(
            csv_rows, features=features, gen_kwargs={"file": str(file), "changed": state(file)}
        )
    usages = np.asarray(read_column(data, "usage").to_pylist())
    data = data.remove_columns("usage")
    rows = {split: np.flatnonzero(usages == usage) for split, usage in USAGES.items()}
    return FaceSplits({split: data.select(indices) for split, indices in rows.items() if len(indices)}, LABEL_NAMES)


def state(*files: Path) -> str:
    """Tells one state of files from another in the cache of `datasets`."""
    return " ".join(f"{file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)


def csv_rows(file: str, changed: str) -> Iterator[dict]:
    """
    The file's rows in their order. `changed` is the file's `state`.

    Raises:
        ValueError: a column is missing, or a row cannot be read.
    """
    with open(file, newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, skipinitialspace=True)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{file} has no column {', '.join(missing)}; it has {reader.fieldnames}.")
        for line, row in enumerate(reader, start=2):
            try:
                label, image = int(row["emotion"]), PILImage.fromarray(read_greys(row["pixels"]))
                LABEL_NAMES[label if label >= 0 else len(LABEL_NAMES)]
                if row["Usage"] not in USAGES.values():
                    raise ValueError(f"the usage {row['Usage']!r} is none of {', '.join(USAGES.values())}")
            except (ValueError, OverflowError, IndexError, AttributeError) as error:
                raise ValueError(f"{file}, line {line}: {error}") from error
            yield {"image": image, "label": label, "usage": row["Usage"]}


def read_greys(text: str) -> np.ndarray:
    """uint8 (48, 48) from its numbers. Raises ValueError, OverflowError."""
    return np.array(text.split(), dtype=np.uint8).reshape(SIDE, SIDE)


ADAPTER = Adapter(
    title="FER2013",
    load=load,
    where="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    bound="The weights were trained on FER2013 photographs, which were collected by web search for research: take "
    "research use as the bound for the weights, too.",
)
