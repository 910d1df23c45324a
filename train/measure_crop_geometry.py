"""
Measure how the boxes of each face detector relate to FER+ crops.

They are the figures of GEOMETRIES in grefel_hf/faces/cropping.py.

    python train/measure_crop_geometry.py --data_dir FERPLUS --samples 600 --seed 0

A FER+ image is the crop that the model was trained on, so each one tells where the crop lies around the face. The
image is enlarged and pasted at a random place and scale into a canvas that repeats its edge; a detector then finds
the face in the canvas. With --sheet and --photos it also draws FER+ faces above the crops of photos, to compare them
by eye. That picture shows FER+ images: keep it out of the project.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grefel_hf.faces.detection import FaceDetector, create_detector
from grefel_train.flags import at_least


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="FER+ as a folder that datasets.load_dataset reads")
    parser.add_argument("--samples", type=at_least(1, int), default=600, help="number of random training images")
    parser.add_argument("--seed", type=at_least(0, int), default=0)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet to this PNG file")
    parser.add_argument("--photos", type=Path, nargs="+", help="photos or folders whose crops the sheet shows")
    args = parser.parse_args(argv)
    if bool(args.sheet) != bool(args.photos):
        parser.error("--sheet and --photos go together")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import datasets
import numpy as np
from PIL import Image

from grefel_hf.faces.cropping import centering_eyes, crop_face, face_roll
from grefel_hf.faces.face import DetectorUnavailableError, Face
from grefel_hf.faces.folders import find_photos
from grefel_hf.faces.photos import load_photo
from grefel_train.data.contact_sheet import Tile, contact_sheet

FACE_SIDE = 192  # to which a FER+ image is enlarged, in pixels
CANVAS_SIDES = (2.0, 4.0)  # side of the canvas in units of the face, drawn log-uniformly: spreads HOG's size steps
SHEET_TILE, SHEET_COLUMNS = 112, 12


@dataclass(frozen=True)
class Placed:
    """A canvas and the square in it that is the FER+ image: left, top, side in pixels."""

    canvas: Image.Image
    left: int
    top: int
    side: int


def place(face: Image.Image, rng: np.random.Generator) -> Placed:
    """Enlarge a square face and paste it at a random place into a canvas that repeats its edge."""
    side = FACE_SIDE
    pixels = np.asarray(face.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))
    room = round(side * math.exp(rng.uniform(*np.log(CANVAS_SIDES)))) - side
    # at least a quarter of the face on every side, or detectors see a cut head
    left, top = rng.integers(side // 4, room - side // 4 + 1, size=2)
    canvas = np.pad(pixels, ((top, room - top), (left, room - left), (0, 0)), mode="edge")
    return Placed(Image.fromarray(canvas), int(left), int(top), side)


def measure(face: Face, placed: Placed) -> tuple[float, float, float]:
    """Scale, shift and eye shift (NaN without eyes to go by) of one face, as CropGeometry defines them."""
    left, top, right, bottom = face.box
    scale = placed.side / math.sqrt((right - left) * (bottom - top))
    center = np.array([placed.left, placed.top]) + placed.side / 2
    roll = math.radians(face_roll(face))
    down = np.array([-math.sin(roll), math.cos(roll)])
    shift = (center - np.array([left + right, top + bottom]) / 2) @ down / placed.side
    eyes = centering_eyes(face)
    eye_shift = math.nan if eyes is None else (center - eyes.mean(axis=0)) @ down / placed.side
    return scale, float(shift), float(eye_shift)


def measure_detector(detector: FaceDetector, faces: list[Image.Image], seed: int) -> np.ndarray:
    """(found, 3): scale, shift and eye shift of the faces that the detector finds alone in their canvas."""
    rng = np.random.default_rng(seed)
    rows = []
    for image in faces:
        placed = place(image, rng)
        found = detector.detect(placed.canvas)
        if len(found) == 1:
            rows.append(measure(found[0], placed))
    return np.array(rows).reshape(-1, 3)


def print_table(name: str, rows: np.ndarray, samples: int) -> None:
    print(f"{name}: {len(rows)} of {samples} faces found")
    for label, values in zip(("scale", "shift", "eye_shift"), rows.T, strict=True):
        values = values[np.isfinite(values)]
        if len(values):
            low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
            print(f"  {label:<10} median {middle:6.3f}   10 % {low:6.3f}   90 % {high:6.3f}")


def draw_sheet(detectors: list[FaceDetector], faces: list[Image.Image], photos: list[Path]) -> Image.Image:
    """Rows of FER+ faces, then for each detector rows of its crops from the photos, as grey as FER+."""
    groups = {"FER+": faces[:24]}
    for detector in detectors:
        crops = []
        for path in photos:
            photo = load_photo(path)
            crops += [crop_face(photo, face, size=48).convert("L") for face in detector.detect(photo)]
        groups[detector.name] = crops
    rows = []
    for name, images in groups.items():
        tiles = [Tile(image, name if number == 0 else "") for number, image in enumerate(images)]
        rows += [tiles[start : start + SHEET_COLUMNS] for start in range(0, len(tiles), SHEET_COLUMNS)]
    return contact_sheet(rows, SHEET_TILE)


def main(args: argparse.Namespace) -> None:
    data = datasets.load_dataset(args.data_dir, split="train")
    chosen = np.random.default_rng(args.seed).choice(len(data), min(args.samples, len(data)), replace=False)
    faces = [image.convert("L") for image in data.select(chosen)["image"]]
    detectors = []
    for name in ("yunet", "hog"):
        try:
            detectors.append(create_detector(name))
        except DetectorUnavailableError as error:
            print(f"{name}: left out, {error}")
    for detector in detectors:
        print_table(detector.name, measure_detector(detector, faces, args.seed), len(faces))
    if args.sheet:
        draw_sheet(detectors, faces, find_photos(args.photos)).save(args.sheet)


if __name__ == "__main__":
    main(parse_args())
