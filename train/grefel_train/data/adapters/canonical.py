"""
What every adapter is and returns, and the small things that adapters share.

The libraries that take a second are imported by what reads: the adapters' options are flags, and --help is quick.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset


class FaceSplits(NamedTuple):
    """
    A set of faces in the form that training reads.

    `splits` has datasets by name ("train", and "validation" or "test" where the set has an official one), each with the
    columns `image` and `label` (class ids) or `distribution` (N fractions), and `group` (video, subject, character)
    where the set knows it. `label_names` are the classes in the order of their ids.
    """

    splits: dict[str, "Dataset"]
    label_names: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """A flag that one adapter has: its name, the argument of `load` that it sets, and how argparse reads it."""

    flag: str
    argument: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Adapter:
    """
    A published set.

    Attributes:
        title: its name for people, in reports and model cards.
        load: reads its folder.
        where: where to ask for it.
        bound: Markdown, what its terms mean for weights that are trained on it; without it, non-commercial research.
        options: flags of its own.
    """

    title: str
    load: Callable[..., FaceSplits]
    where: str
    bound: str = ""
    options: tuple[Option, ...] = ()

    @property
    def terms(self) -> str:
        """A sentence for the card of a model that was trained on it."""
        return self.bound or (
            f"{self.title} is given out for non-commercial research: take that as the bound for the weights, too."
        )


def face_split(
    files: Sequence[str], labels: Sequence[int], label_names: Sequence[str], groups: Sequence[str] | None = None
) -> "Dataset":
    """A split of image files, which stay where they are and are decoded when they are read."""
    from datasets import ClassLabel, Dataset, Features, Image, Value

    features = Features({"image": Image(), "label": ClassLabel(names=list(label_names))})
    columns = {"image": files, "label": labels}
    if groups is not None:
        features["group"] = Value("string")
        columns["group"] = groups
    return Dataset.from_dict(columns, features=features)


def require(path: Path, what: str) -> Path:
    """
    The path itself.

    Raises:
        FileNotFoundError: it does not exist; the message tells that --dataset_dir must point at `what`.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; point --dataset_dir at {what}.")
    return path


def read_column(split: "Dataset", name: str) -> "pa.Array":
    """One column of a split, read without touching the images."""
    import pyarrow as pa

    column = split.select_columns(name).with_format("arrow")[:][name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def list_column(matrix: np.ndarray) -> "pa.Array":
    """(M, N) fractions as a column of lists, in one piece: `datasets` hashes what a list holds one by one."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


@contextmanager
def plain_errors() -> Iterator[None]:
    """What `datasets` wraps in errors of its own comes out as the ValueError or OSError that it was."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except DatasetsError as error:
        if isinstance(error, OSError):
            raise
        cause = error.__cause__ or error
        raise cause if isinstance(cause, OSError | ValueError) else ValueError(str(cause)) from error
