"""
FER+ (Barsoum et al., 2016): faces of FER2013 with the votes of ten taggers each, and its official protocols.

Where: `fer2013new.csv`, the votes, is in microsoft/FERPlus on GitHub, under the MIT licence. `fer2013.csv`, the
photographs, is in the archive fer2013.tar.gz of Kaggle's "Challenges in Representation Learning: Facial Expression
Recognition Challenge"; they were gathered by web search: research use, not to be redistributed.

Two layouts are read:

    fer2013.csv         columns emotion, pixels (48 x 48 greys), Usage
    fer2013new.csv      columns Usage, Image name, then the votes: neutral, happiness, surprise, sadness, anger,
                        disgust, fear, contempt, unknown, NF (not a face)

    train-*.parquet     columns image, votes (10 counts) and, where known, name and duplicate_of
    validation-*.parquet, test-*.parquet

The two CSV files belong together row by row: the numbers in the image names are no row numbers. Rows without an image
name are no faces and not part of FER+.
"""

import csv
import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PILImage

from grefel_train.data.adapters.canonical import (
    Adapter,
    FaceSplits,
    Option,
    list_column,
    plain_errors,
    read_column,
    require,
)
from grefel_train.data.adapters.fer2013 import USAGES, read_greys, state

if TYPE_CHECKING:
    from datasets import Dataset

# The first eight of the ten vote columns; the last two are "unknown" and "not a face".
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (*EMOTIONS, "unknown", "NF")
PROTOCOLS = ("majority", "probability")


def without_single_votes(votes: np.ndarray) -> np.ndarray:
    """Votes (..., 10) with every class that one tagger alone chose set to 0: the official outlier rule."""
    return np.where(votes > 1, votes, 0)


def majority_labels(votes: np.ndarray) -> np.ndarray:
    """
    Official "majority" protocol.

    Args:
        votes: (M, 10) counts.

    Returns:
        (M,) the emotion that holds more than half of the votes left after the outlier rule, or -1: such an image is
        not part of the protocol.
    """
    votes = without_single_votes(votes)
    top = votes.argmax(-1)
    wins = (votes.max(-1) * 2 > votes.sum(-1)) & (top < len(EMOTIONS))
    return np.where(wins, top, -1)


def vote_distributions(votes: np.ndarray) -> np.ndarray:
    """
    Official "probability" protocol.

    Args:
        votes: (M, 10) counts.

    Returns:
        (M, 8) votes for the emotions after the outlier rule, as fractions; a row of zeros where no emotion is on
        top: such an image is not part of the protocol.
    """
    votes = without_single_votes(votes)
    emotions = votes[:, : len(EMOTIONS)].astype(np.float32)
    on_top = (votes.argmax(-1) < len(EMOTIONS)) & (votes.sum(-1) > 0)
    return np.where(on_top[:, None], emotions / np.maximum(emotions.sum(-1, keepdims=True), 1.0), 0.0)


def load(folder: Path, protocol: str = "probability") -> FaceSplits:
    """
    The splits that the folder has: "train" under `protocol`, "validation" and "test" under the majority protocol, by
    which accuracy is reported.

    Raises:
        FileNotFoundError: if the folder does not exist or holds no split.
        ValueError: a missing column, or CSV files that do not belong together.
    """
    splits = {
        split: under_protocol(data, protocol if split == "train" else "majority")
        for split, data in read_splits(require(folder, "the FER+ folder")).items()
    }
    if not splits:
        raise FileNotFoundError(f"{folder} has neither train-*.parquet nor fer2013.csv and fer2013new.csv.")
    return FaceSplits(splits, EMOTIONS)


def load_ferplus(folder: str | Path, split: str, protocol: str) -> "Dataset":
    """
    One split of FER+ under a protocol.

    Args:
        folder: where the two CSV files or the parquet files are.
        split: "train", "validation" or "test".
        protocol: "majority" (column `label`, class ids) or "probability" (column `distribution`, 8 fractions).

    Returns:
        The images of the protocol in their order, with the protocol's column added.

    Raises:
        FileNotFoundError: if the folder does not exist or holds no such split.
        ValueError: for an unknown protocol, a missing column, or CSV files that do not belong together.
    """
    splits = read_splits(require(Path(folder), "the FER+ folder"))
    if split not in splits:
        raise FileNotFoundError(f"{folder} has neither {split}-*.parquet nor such rows in fer2013.csv.")
    return under_protocol(splits[split], protocol)


def unreadable_images(folder: str | Path, split: str) -> "Dataset":
    """
    The images of a split that no protocol has, because "unknown" or "not a face" is on top of their votes.

    Raises:
        FileNotFoundError, ValueError: as `load_ferplus`.
    """
    data = read_splits(require(Path(folder), "the FER+ folder")).get(split)
    if data is None:
        raise FileNotFoundError(f"{folder} has no split {split!r}.")
    votes = without_single_votes(np.asarray(read_column(data, "votes").to_pylist()))
    return data.select(np.flatnonzero((votes.argmax(-1) >= len(EMOTIONS)) & (votes.sum(-1) > 0)))


def under_protocol(data: "Dataset", protocol: str) -> "Dataset":
    """The images of a split that belong to a protocol, with its column `label` or `distribution`."""
    from datasets import ClassLabel, List, Value

    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}.")
    votes = np.asarray(read_column(data, "votes").to_pylist())
    if votes.shape[1:] != (len(VOTES),):
        raise ValueError(f"The column `votes` of FER+ must hold {len(VOTES)} counts in each row: {', '.join(VOTES)}.")
    # The column goes on before the selection: afterwards `datasets` would write all images anew.
    if protocol == "majority":
        labels = majority_labels(votes)
        data = data.add_column("label", labels, feature=ClassLabel(names=list(EMOTIONS)))
        return data.select(np.flatnonzero(labels >= 0))
    distributions = vote_distributions(votes)
    feature = List(Value("float32"), length=len(EMOTIONS))
    data = data.add_column("distribution", list_column(distributions), feature=feature)
    return data.select(np.flatnonzero(distributions.sum(-1) > 0))


def read_splits(folder: Path) -> dict[str, "Dataset"]:
    """All images with their votes, by split."""
    from datasets import load_dataset

    if (folder / "fer2013.csv").exists() or (folder / "fer2013new.csv").exists():
        return read_csv(folder)
    splits = {}
    for split in USAGES:
        files = sorted(str(file) for file in folder.glob(f"{split}-*.parquet"))
        if not files:
            continue
        with plain_errors():
            data = load_dataset("parquet", data_files={split: files}, split=split)
        missing = {"image", "votes"} - set(data.column_names)
        if missing:
            raise ValueError(f"{files[0]} has no column {', '.join(sorted(missing))}; it has {data.column_names}.")
        splits[split] = data
    return splits


def read_csv(folder: Path) -> dict[str, "Dataset"]:
    """The two CSV files; their images are decoded once into the cache of `datasets`, anew if a file changes."""
    from datasets import Dataset, Features, Image, List, Value

    files = [require(folder / name, "a folder with both CSV files") for name in ("fer2013.csv", "fer2013new.csv")]
    paths = {"pixels_file": str(files[0].resolve()), "votes_file": str(files[1].resolve())}
    arguments = paths | {"changed": state(*files)}
    features = {"image": Image(), "votes": List(Value("int8"))}
    features |= {name: Value("string") for name in ("name", "duplicate_of", "usage")}
    with plain_errors():
        data = Dataset.from_generator(csv_rows, features=Features(features), gen_kwargs=arguments)
    usages = np.asarray(read_column(data, "usage").to_pylist())
    data = data.remove_columns("usage")
    # A split's rows follow one another in the official files, so these are views.
    rows = {split: np.flatnonzero(usages == usage) for split, usage in USAGES.items()}
    return {split: data.select(indices) for split, indices in rows.items() if len(indices)}


def csv_rows(pixels_file: str, votes_file: str, changed: str) -> Iterator[dict]:
    """
    The rows of FER+ in the order of the files, joined row by row.

    `changed` is the files' `state`.

    Raises:
        ValueError: a missing column, files of different length or order, or a row that cannot be read.
    """
    first_names: dict[bytes, str] = {}  # digest of an image's pixels -> the first image that has them
    plain = {"newline": "", "encoding": "utf-8-sig"}
    with open(pixels_file, **plain) as pixels_csv, open(votes_file, **plain) as votes_csv:
        faces, taggings = csv.DictReader(pixels_csv), csv.DictReader(votes_csv)
        for reader, file, needed in (
            (faces, pixels_file, ("pixels", "Usage")),
            (taggings, votes_file, ("Usage", "Image name", *VOTES)),
        ):
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"{file} has no column {', '.join(missing)}; it has {reader.fieldnames}.")
        for line, (face, tagging) in enumerate(zip_longest(faces, taggings), start=2):
            if face is None or tagging is None or face["Usage"] != tagging["Usage"]:
                raise ValueError(
                    f"{pixels_file} and {votes_file} do not belong together row by row: they part at line {line}."
                )
            name = (tagging["Image name"] or "").strip()
            if not name:
                continue
            try:
                pixels = read_greys(face["pixels"])
                votes = [int(tagging[column]) for column in VOTES]
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{pixels_file} or {votes_file}, line {line}: {error}") from error
            first = first_names.setdefault(hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), name)
            yield {
                "image": PILImage.fromarray(pixels),
                "name": name,
                "votes": votes,
                "duplicate_of": first if first != name else None,
                "usage": face["Usage"],
            }


ADAPTER = Adapter(
    title="FER+",
    load=load,
    where="https://github.com/microsoft/FERPlus (votes) and Kaggle's facial expression recognition challenge (photos)",
    bound="The weights were trained on FER2013 photographs with FER+ votes. The votes are MIT (Microsoft); the "
    "photographs were collected by web search for research, so take research use as the bound for the weights, too.",
    options=(
        Option(
            "ferplus_protocol",
            "protocol",
            {
                "choices": PROTOCOLS[::-1],
                "default": "probability",
                "help": "Training target of FER+: all votes, or the class of the majority.",
            },
        ),
    ),
)
