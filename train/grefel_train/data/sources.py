"""Where the data comes from: the Hub, local files and folders, an imagefolder, or the adapter of a published set."""

import argparse
import codecs
import glob
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, DatasetDict, IterableDataset, load_dataset, load_from_disk
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
from huggingface_hub import constants, get_session

from grefel_hf.faces.photos import image_suffixes
from grefel_hf.hub import ANSWER_SECONDS, in_time
from grefel_hf.media import HEAD_BYTES
from grefel_hf.plurals import counted
from grefel_train.data.adapters import ADAPTERS, DEFAULT_FORMAT
from grefel_train.data.adapters.canonical import plain_errors
from grefel_train.data.adapters.fer2013 import FILES as FER2013_FILES

logger = logging.getLogger(__name__)

MOST_NAMED = 5  # files in a message

# Builders of `datasets` by the ending of a local file.
FILE_BUILDERS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
}
# Folders that are splits rather than classes.
SPLIT_FOLDERS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLIT_FOLDERS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


@dataclass(frozen=True)
class FaceSource:
    """
    Splits as they were found. `name` is the flag and its value, for messages; `label_names` are known where an adapter
    read the data, whose splits are canonical already; paths in a text column start at `root`.
    """

    name: str
    splits: dict[str, Dataset | IterableDataset]
    label_names: tuple[str, ...] | None = None
    root: Path | None = None


def load_source(args: argparse.Namespace) -> FaceSource:
    """
    The splits that the flags name.

    Raises:
        OSError: they name a place where there is nothing.
        ValueError: none or several places are named, or what is there cannot be read.
    """
    folders = args.train_dir or args.validation_dir
    if sum(map(bool, (args.dataset_name, folders, args.dataset_dir))) != 1:
        raise ValueError("name the data with one of --dataset_name, --dataset_dir, --train_dir (or --validation_dir).")
    if args.dataset_format and not args.dataset_dir:
        raise ValueError("--dataset_format needs --dataset_dir, the folder of that set.")
    if args.streaming and args.dataset_dir:
        raise ValueError("--streaming goes with --dataset_name or --train_dir; --dataset_dir reads local files.")
    if args.dataset_dir:
        return load_published(args)
    return load_folders(args) if folders else load_dataset_by_name(args)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Errors of `datasets` as OSError or ValueError, the latter with the name of what was read."""
    try:
        with plain_errors():
            yield
    except (ValueError, IndexError) as error:  # IndexError: a saved dataset without rows
        raise ValueError(f"{name} cannot be read as a dataset, or is empty: {error}") from error


def dataset_format(args: argparse.Namespace) -> str:
    """--dataset_format; without it FER+, or FER2013 where the folder has its file and not the votes of FER+."""
    folder = Path(args.dataset_dir).expanduser()
    has_faces = any((folder / name).exists() for name in FER2013_FILES)
    alone = has_faces and not (folder / "fer2013new.csv").exists()
    return args.dataset_format or ("fer2013" if alone else DEFAULT_FORMAT)


def load_published(args: argparse.Namespace) -> FaceSource:
    """One of the sets that have an adapter; sets --dataset_format where the folder tells that it is not the default."""
    found = dataset_format(args)
    if found != DEFAULT_FORMAT:
        args.dataset_format = found
    adapter = ADAPTERS[found]
    options = {option.argument: getattr(args, option.flag) for option in adapter.options}
    try:
        splits, label_names = adapter.load(Path(args.dataset_dir).expanduser(), **options)
    except FileNotFoundError as error:
        hint = " A folder of images, one folder for each class, is named by --dataset_name."
        hint = hint if any(path.is_dir() for path in Path(args.dataset_dir).expanduser().glob("*")) else ""
        raise FileNotFoundError(f"{error} {adapter.title} is asked for at {adapter.where}.{hint}") from error
    return FaceSource(f"--dataset_dir {args.dataset_dir}", splits, label_names)


def load_folders(args: argparse.Namespace) -> FaceSource:
    """Folders of images, one folder for each class; --train_dir may hold folders of splits that hold those."""
    given = [flag for flag in ("train_dir", "validation_dir") if getattr(args, flag)]
    name = " ".join(f"--{flag} {getattr(args, flag)}" for flag in given)
    folders = {flag.removesuffix("_dir"): Path(getattr(args, flag)).expanduser() for flag in given}
    for flag, folder in zip(given, folders.values()):
        if not folder.is_dir():
            raise FileNotFoundError(f"--{flag} {folder} is no folder.")
        inside = split_folders(folder, flag)
        if inside and flag == "train_dir" and not args.validation_dir:
            folders = inside
        elif inside:
            raise ValueError(
                f"--{flag} {folder} holds folders of splits ({', '.join(inside)}): name one of those, or give "
                "--train_dir alone."
            )
    know_all_images()
    files, left_out = {}, []
    for split, folder in folders.items():
        files[split], others = image_patterns(folder)
        left_out += others
        if not files[split]:
            raise FileNotFoundError(f"{folder} has no files.")
    if left_out:
        names = ", ".join(left_out[:MOST_NAMED]) + ", ..." * (len(left_out) > MOST_NAMED)
        logger.warning("Left out, as no image is called so: %s (%s).", counted(len(left_out), "file"), names)
    with reading(name):  # all in one call: the classes are then those of all
        splits = dict(load_dataset("imagefolder", data_files=files, streaming=args.streaming))
    for data in splits.values():
        if data.features is not None and set(data.features) == {"image"}:
            raise ValueError(
                f"{name} has no folders of classes: put the images of each class into a folder of its name, as in "
                "happiness/1.png, all at the same depth, for two classes at least; or add a metadata.csv with a label."
            )
    return FaceSource(name, splits)


def folder_title(folder: str | Path) -> str:
    """The name of a folder of images, or of the one around it where its own is that of a split."""
    path = Path(folder)
    return path.parent.name if path.name.lower() in SPLIT_FOLDERS and path.parent.name else path.name


def split_folders(folder: Path, flag: str) -> dict[str, Path]:
    """
    The folders of splits in a folder by the names of their splits; none where its folders are classes.

    Raises:
        ValueError: there are both.
    """
    inside = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    splits = {name: path for name, path in inside.items() if name.lower() in SPLIT_FOLDERS}
    if not any(SPLIT_FOLDERS[name.lower()] == "train" for name in splits):
        return {}
    if len(splits) < len(inside):
        others = ", ".join(sorted(set(inside) - set(splits)))
        raise ValueError(
            f"--{flag} {folder} holds splits ({', '.join(splits)}) beside other folders ({others}): name one."
        )
    return {SPLIT_FOLDERS[name.lower()]: path for name, path in splits.items()}


def image_patterns(folder: Path) -> tuple[list[str], list[str]]:
    """
    What `datasets` is to look for: everything in the folder, and in the folders that links in it lead to, which it
    would not follow; nothing where there are no files. And the names of files that it will leave out.
    """
    patterns, seen, has_files, left_out = [f"{glob.escape(str(folder))}/**"], set(), False, []
    for place, names, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        names[:] = [name for name in names if os.path.realpath(os.path.join(place, name)) not in seen]  # no loops
        has_files = has_files or bool(files)
        left_out += [os.path.join(place, name) for name in files if not is_read(name)]
        linked = [os.path.join(place, name) for name in names if os.path.islink(os.path.join(place, name))]
        patterns += [f"{glob.escape(path)}/**" for path in linked if any(files for *_, files in os.walk(path))]
    return (patterns if has_files else []), sorted(left_out)


def know_all_images() -> None:
    """Have `datasets` take HEIC, AVIF and the like for images, too, which it passes over in folders."""
    ImageFolder.EXTENSIONS = sorted({*ImageFolder.EXTENSIONS, *image_suffixes()})


def is_read(name: str) -> bool:
    """Whether `datasets` makes something of a file in a folder of images, by its name; nobody misses hidden ones."""
    known = (*ImageFolder.EXTENSIONS, *ImageFolder.METADATA_FILENAMES, ".zip", "Thumbs.db", "desktop.ini")
    return name.startswith((".", "__")) or name.lower().endswith(tuple(map(str.lower, known)))


def load_dataset_by_name(args: argparse.Namespace) -> FaceSource:
    """A dataset of the Hub, or what lies at a local path: a saved dataset, a file, or a folder of files."""
    name = f"--dataset_name {args.dataset_name}"
    path = Path(args.dataset_name).expanduser()
    if not path.exists() and (
        path.is_absolute() or path.suffix in FILE_BUILDERS or args.dataset_name.startswith((".", "~"))
    ):
        raise FileNotFoundError(f"{name}: there is no such file or folder.")
    if path.is_file() and path.suffix not in FILE_BUILDERS:
        raise ValueError(f"{name}: files of data end with {', '.join(FILE_BUILDERS)}.")
    with reading(name):
        if path.is_file():
            builder = FILE_BUILDERS[path.suffix]
            options = csv_options(path) if builder == "csv" else {}
            splits = dict(load_dataset(builder, data_files=str(path), streaming=args.streaming, **options))
            return FaceSource(name, splits, root=path.parent)
        if (path / "dataset_dict.json").exists() or (path / "dataset_info.json").exists():
            saved = load_from_disk(str(path))
            splits = dict(saved) if isinstance(saved, DatasetDict) else {"train": saved}
            if args.streaming:
                splits = {split: data.to_iterable_dataset() for split, data in splits.items()}
            return FaceSource(name, splits)
        if path.exists():
            know_all_images()
            try:
                splits = load_dataset(str(path), args.dataset_config_name, streaming=args.streaming)
            except FileNotFoundError:  # links alone, or images whose names `datasets` does not go by
                patterns, _ = image_patterns(path)
                if not patterns:
                    raise
                splits = load_dataset("imagefolder", data_files={"train": patterns}, streaming=args.streaming)
            return FaceSource(name, dict(splits), root=path)
        with cache_of_silent_hub() as silent:
            try:
                return FaceSource(
                    name, dict(load_dataset(args.dataset_name, args.dataset_config_name, streaming=args.streaming))
                )
            except OSError as error:
                reason = "the Hub cannot be reached" if silent else f"the Hub gives no such dataset: {error}"
                raise OSError(f"{name}: there is no such file or folder, and {reason}.") from error


def csv_options(path: Path) -> dict[str, Any]:
    """How pandas is to read a table: Excel writes semicolons where commas are decimal points, and UTF-16."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    header = head.decode(encoding, errors="ignore").partition("\n")[0]
    return {"sep": max(",;\t", key=header.count), "encoding": encoding, "skipinitialspace": True}


@contextmanager
def cache_of_silent_hub() -> Iterator[bool]:
    """
    Whether the Hub is silent; if so, `datasets` goes to its cache at once, which it would do after half a minute of
    further tries.
    """
    offline = datasets.config.HF_HUB_OFFLINE
    try:
        if not offline:
            in_time(lambda: get_session().head(constants.ENDPOINT), ANSWER_SECONDS)
        silent = offline
    except Exception:  # of httpx, or late
        silent = True
    try:
        datasets.config.HF_HUB_OFFLINE = silent
        yield silent
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
