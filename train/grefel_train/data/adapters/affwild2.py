"""
Aff-Wild2, expression part of the ABAW challenges (Kollias and Zafeiriou, 2019; Kollias, 2022): video frames, each
with one of eight labels.

Where: https://sites.google.com/view/dimitrioskollias/databases/aff-wild2; an academic with a permanent position sends
the signed EULA from the official address, students send it with proof of their status. Terms: the EULA's; industry
asks separately.

Layout:

    EXPR_Recognition_Challenge/Train_Set/VIDEO.txt          first line "Neutral,Anger,Disgust,Fear,Happiness,...",
    EXPR_Recognition_Challenge/Validation_Set/VIDEO.txt     then one label a line, a line for each frame; -1: none
    cropped_aligned/VIDEO/00001.jpg                         the face of the first frame, where one was found

The annotations may lie deeper, as in the archive's folder "6th ABAW Annotations", or be called
EXPR_Classification_Challenge, as in 2022. Every folder whose name begins with cropped_aligned is searched (later
videos came as a folder of their own). The order of the classes is that of the files' first line.
"""

import logging
from pathlib import Path

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, face_split, require

FOLDERS = {"train": "Train_Set", "validation": "Validation_Set"}

logger = logging.getLogger(__name__)


def load(folder: Path) -> FaceSplits:
    """
    Splits "train" and "validation", with the video as `group`. Frames labelled -1 and frames without a crop are left
    out; a warning counts both.

    Raises:
        FileNotFoundError: a folder is not there, or there are no annotations.
        ValueError: a line that is no label, or files whose first lines differ.
    """
    require(folder, "Aff-Wild2")
    crops = {
        video.name: video
        for root in sorted(folder.glob("cropped_aligned*"))
        for video in sorted(root.iterdir())
        if video.is_dir()
    }
    if not crops:
        raise FileNotFoundError(f"{folder} has no cropped_aligned/VIDEO; point --dataset_dir at Aff-Wild2.")
    label_names: tuple[str, ...] = ()
    splits = {}
    for split, name in FOLDERS.items():
        annotations = sorted(folder.glob(f"**/EXPR_*_Challenge/{name}/*.txt"))
        if not annotations:
            raise FileNotFoundError(f"{folder} has no EXPR_Recognition_Challenge/{name}/VIDEO.txt.")
        files, labels, groups, unlabelled, without_crop = [], [], [], 0, 0
        for annotation in annotations:
            names, frame_labels = read_annotation(annotation)
            if label_names and names != label_names:
                raise ValueError(f"{annotation} begins with {names}, other files with {label_names}.")
            label_names = names
            video = crops.get(annotation.stem)
            present = {path.name for path in video.iterdir()} if video else set()
            for frame, label in enumerate(frame_labels, start=1):
                crop = f"{frame:05d}.jpg"
                if label < 0:
                    unlabelled += 1
                elif crop not in present:
                    without_crop += 1
                else:
                    files.append(f"{video}/{crop}")
                    labels.append(label)
                    groups.append(annotation.stem)
        logger.warning(
            "Aff-Wild2 %s: %d frames of %d videos; left out %d without a label and %d without a crop.",
            name, len(files), len(annotations), unlabelled, without_crop,
        )  # fmt: skip
        splits[split] = face_split(files, labels, label_names, groups)
    return FaceSplits(splits, label_names)


def read_annotation(file: Path) -> tuple[tuple[str, ...], list[int]]:
    """The class names of the first line, in lower case, and the labels of all frames, -1 where there is none."""
    header, *lines = file.read_text().split("\n")
    names = tuple(name.strip().lower() for name in header.split(",") if name.strip())
    labels = []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            label = int(line)
        except ValueError:
            label = len(names)
        if not -1 <= label < len(names):
            raise ValueError(f"{file}, line {number}: expected a label of -1 to {len(names) - 1}, not {line!r}")
        labels.append(label)
    return names, labels


ADAPTER = Adapter(
    title="Aff-Wild2", load=load, where="https://sites.google.com/view/dimitrioskollias/databases/aff-wild2"
)
