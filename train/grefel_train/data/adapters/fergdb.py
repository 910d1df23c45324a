"""
FERG-DB (Aneja et al., 2016): rendered faces of six stylised characters in seven expressions.

Where: https://grail.cs.washington.edu/projects/deepexpr/ferg-2d-db.html, on request by the form there. Terms: those
that come with the answer; cite the paper.

Layout:

    aia/aia_anger/aia_anger_1.png       characters aia, bonnie, jules, malcolm, mery, ray

There is no official split: training holds out a share of the images, or with `--validation_groups mery` all of
some characters.
"""

from pathlib import Path

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, face_split, require

# Folder names, alphabetically; "joy" is called happiness, as in the other sets.
EXPRESSIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
LABEL_NAMES = tuple("happiness" if name == "joy" else name for name in EXPRESSIONS)


def load(folder: Path) -> FaceSplits:
    """
    One split, "train", with the character as `group`.

    Raises:
        FileNotFoundError: the folder or its images are not there.
        ValueError: a folder that is named for no expression.
    """
    files, labels, groups = [], [], []
    for image in sorted(require(folder, "FERG-DB").glob("*/*_*/*.png")):
        character = image.parts[-3]
        expression = image.parts[-2].removeprefix(f"{character}_")
        if expression not in EXPRESSIONS:
            raise ValueError(f"{image.parent} is named for no expression; known are {', '.join(EXPRESSIONS)}.")
        files.append(str(image))
        labels.append(EXPRESSIONS.index(expression))
        groups.append(character)
    if not files:
        raise FileNotFoundError(f"{folder} has no aia/aia_anger/*.png; point --dataset_dir at FERG-DB.")
    return FaceSplits({"train": face_split(files, labels, LABEL_NAMES, groups)}, LABEL_NAMES)


ADAPTER = Adapter(title="FERG-DB", load=load, where="https://grail.cs.washington.edu/projects/deepexpr/ferg-2d-db.html")
