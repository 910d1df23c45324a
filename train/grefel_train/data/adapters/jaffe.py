"""
JAFFE (Lyons et al., 1998): 213 grey photographs of ten Japanese women, who posed seven expressions.

Where: https://zenodo.org/record/3451524, restricted access, on request. Terms: non-commercial scientific research
that names the source of the images; the page has the further conditions.

Layout, all in one folder:

    KA.AN1.39.tiff      subject KA, anger, first pose, image 39

There is no official split: training holds out a share of the images, or with `--validation_groups KA KL` all of some
subjects, which is the harder and more telling test.
"""

import re
from pathlib import Path

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, face_split, require

# By the codes in file names.
EXPRESSIONS = {
    "NE": "neutral",
    "HA": "happiness",
    "SA": "sadness",
    "SU": "surprise",
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
}
LABEL_NAMES = tuple(EXPRESSIONS.values())
FILE_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+\.+tiff?", re.IGNORECASE)


def load(folder: Path) -> FaceSplits:
    """
    One split, "train", with the subject as `group`.

    Raises:
        FileNotFoundError: the folder or its images are not there.
        ValueError: a TIFF file that is not named as JAFFE's are.
    """
    codes = list(EXPRESSIONS)
    files, labels, groups = [], [], []
    for image in sorted(require(folder, "JAFFE").glob("*.[tT][iI][fF]*")):
        name = FILE_NAME.fullmatch(image.name)
        if name is None or name[2].upper() not in codes:
            raise ValueError(f"{image} is not named as JAFFE's images are, KA.AN1.39.tiff, with {', '.join(codes)}.")
        files.append(str(image))
        labels.append(codes.index(name[2].upper()))
        groups.append(name[1].upper())
    if not files:
        raise FileNotFoundError(f"{folder} has no KA.AN1.39.tiff and the like; point --dataset_dir at JAFFE.")
    return FaceSplits({"train": face_split(files, labels, LABEL_NAMES, groups)}, LABEL_NAMES)


ADAPTER = Adapter(title="JAFFE", load=load, where="https://zenodo.org/record/3451524")
