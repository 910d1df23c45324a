"""
Made-up sets of faces, small, in the layouts of the real ones.

The images are plain greys: `grey(label)` is the brightness of a label, by its id in the set's own order, so that a test
can tell from a picture which label it was made with.
"""

from pathlib import Path

import numpy as np
from PIL import Image


def grey(label: int) -> int:
    return 10 + 20 * label


def brightness(image: Image.Image) -> int:
    return int(np.asarray(image.convert("L")).mean().round())


def write_face(file: Path, label: int, side: int = 16):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), grey(label)).save(file)


def write_rafdb(folder: Path, train: list[int], test: list[int]) -> Path:
    """Labels are those of the list file, 1 to 7."""
    lines = []
    for split, labels in (("train", train), ("test", test)):
        for number, label in enumerate(labels, start=1):
            lines.append(f"{split}_{number:05d}.jpg {label}")
            write_face(folder / "basic" / "Image" / "aligned" / f"{split}_{number:05d}_aligned.jpg", label - 1)
    listing = folder / "basic" / "EmoLabel" / "list_patition_label.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(lines) + "\n")
    return folder


def write_affectnet(folder: Path, train: list[int], validation: list[int]) -> Path:
    """Labels are the numbers in the annotations, 0 to 10; text in the training set, numbers in the other."""
    for split, labels, kind in (("train_set", train, str), ("val_set", validation, int)):
        (folder / split / "annotations").mkdir(parents=True)
        for number, label in enumerate(labels):
            write_face(folder / split / "images" / f"{number}.jpg", min(label, 8))
            np.save(folder / split / "annotations" / f"{number}_exp.npy", np.array(kind(label)))
            np.save(folder / split / "annotations" / f"{number}_val.npy", np.array("0.5"))
    return folder


AFFWILD2_HEADER = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"


def write_affwild2(
    folder: Path,
    train: dict[str, list[int]],
    validation: dict[str, list[int]],
    missing: set[tuple[str, int]] = frozenset(),
) -> Path:
    """Labels of the frames by video; frames (video, number from 1) in `missing` have no crop."""
    for split, videos in (("Train_Set", train), ("Validation_Set", validation)):
        annotations = folder / "6th ABAW Annotations" / "EXPR_Recognition_Challenge" / split
        annotations.mkdir(parents=True)
        for video, labels in videos.items():
            (annotations / f"{video}.txt").write_text("\n".join([AFFWILD2_HEADER, *map(str, labels)]) + "\n")
            for number, label in enumerate(labels, start=1):
                if (video, number) not in missing:
                    write_face(folder / "cropped_aligned" / video / f"{number:05d}.jpg", max(label, 0))
    return folder


FERGDB_EXPRESSIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")


def write_fergdb(folder: Path, characters: tuple[str, ...] = ("aia", "mery"), images: int = 2) -> Path:
    for character in characters:
        for label, expression in enumerate(FERGDB_EXPRESSIONS):
            for number in range(1, images + 1):
                name = f"{character}_{expression}"
                write_face(folder / character / name / f"{name}_{number}.png", label)
    return folder


JAFFE_CODES = ("NE", "HA", "SA", "SU", "AN", "DI", "FE")


def write_jaffe(folder: Path, subjects: tuple[str, ...] = ("KA", "KL"), images: int = 2) -> Path:
    index = 0
    for subject in subjects:
        for label, code in enumerate(JAFFE_CODES):
            for number in range(1, images + 1):
                index += 1
                write_face(folder / f"{subject}.{code}{number}.{index}.tiff", label)
    return folder


def write_imagefolder(folder: Path, names: tuple[str, ...], images: int = 2) -> Path:
    """One folder for each class; a name's place in `names` is its brightness."""
    for label, name in enumerate(names):
        for number in range(images):
            write_face(folder / name / f"{number}.png", label)
    return folder


def names_of(split, label_names) -> list[str]:
    """The class names of a split; the pictures must have been made with the same labels."""
    assert [brightness(image) for image in split["image"]] == [grey(label) for label in split["label"]]
    assert tuple(split.features["label"].names) == tuple(label_names)
    return [label_names[label] for label in split["label"]]
