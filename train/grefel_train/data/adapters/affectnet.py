"""
AffectNet, manually annotated part (Mollahosseini, Hasani and Mahoor, 2017), with 8 classes or, as many papers do,
without contempt.

Where: http://mohammadmahoor.com/pages/databases/affectnet/; only lab managers and professors may ask for it, with a
signed licence agreement; students ask through their supervisor. Terms: research only, with citation.

Layout of the later release, one annotation file for each image:

    train_set/images/0.jpg      train_set/annotations/0_exp.npy     a label, stored as text or number
    val_set/images/0.jpg        val_set/annotations/0_exp.npy

The test set was never released; `val_set` is the split that papers report. The earlier release, with CSV files and
uncropped images, is not read.
"""

import logging
from pathlib import Path

import numpy as np

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, Option, face_split, require

# In the order of the labels 0 to 7; 8 (none), 9 (uncertain) and 10 (no face) are no expressions.
LABEL_NAMES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
FOLDERS = {"train": "train_set", "validation": "val_set"}

logger = logging.getLogger(__name__)


def load(folder: Path, num_classes: int = 8) -> FaceSplits:
    """
    Splits "train" and "validation", the images in the order of their numbers.

    Args:
        num_classes: 8, or 7 to leave contempt out.

    Raises:
        FileNotFoundError: a folder or an annotated image is not there.
        ValueError: an annotation that holds no label.
    """
    label_names = LABEL_NAMES[:num_classes]
    splits = {}
    for split, name in FOLDERS.items():
        images = require(folder / name / "images", "AffectNet, the folder of train_set and val_set")
        annotations = require(folder / name / "annotations", "AffectNet, the folder of train_set and val_set")
        present = {path.name for path in images.iterdir()}
        files, labels, dropped = [], [], 0
        for annotation in sorted(annotations.glob("*_exp.npy"), key=lambda path: (len(path.name), path.name)):
            label = read_label(annotation)
            if not 0 <= label < num_classes:
                dropped += 1
                continue
            image = annotation.name.removesuffix("_exp.npy") + ".jpg"
            if image not in present:
                raise FileNotFoundError(f"{images / image} does not exist, but {annotation} labels it.")
            files.append(str(images / image))
            labels.append(label)
        if dropped:
            logger.warning("AffectNet %s: left out %d images of other labels.", name, dropped)
        splits[split] = face_split(files, labels, label_names)
    return FaceSplits(splits, label_names)


def read_label(annotation: Path) -> int:
    try:
        return int(np.load(annotation).item())
    except (ValueError, EOFError) as error:
        raise ValueError(f"{annotation} holds no label: {error}") from error


ADAPTER = Adapter(
    title="AffectNet",
    load=load,
    where="http://mohammadmahoor.com/pages/databases/affectnet/",
    options=(
        Option(
            "affectnet_classes",
            "num_classes",
            {"type": int, "choices": [7, 8], "default": 8, "help": "7 leaves contempt out."},
        ),
    ),
)
