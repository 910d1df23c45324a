"""
Labels and time of photos that are turned without saying so.

    python -m tests.benchmarks.benchmark_turns PHOTO_OR_FOLDER...

A row per turn: faces found, those that have a face of the upright photo in their place, those of them with its label,
and the median time of the detector.
"""

import argparse
import math
import statistics
import time

from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.face import Face
from grefel_hf.faces.folders import find_photos
from grefel_hf.faces.photos import load_photo

ROLLS = (0, 45, 90, 180, 270)  # counter-clockwise
REPEATS = 3


def main(args: argparse.Namespace):
    predictor = FacialExpressionPredictor.from_pretrained(detector=args.detector)
    photos = [load_photo(path) for path in find_photos(args.photos)]
    truth = [predictor(photo).faces for photo in photos]
    total = sum(map(len, truth))
    print(f"{total} faces upright, detector {predictor.detector.name}\n\n| turned | found | in place | label | ms |")
    print("|---|---|---|---|---|")
    for roll in ROLLS:
        found, matched, right, times = 0, 0, 0, []
        for photo, faces in zip(photos, truth):
            turned = photo.rotate(roll, Image.Resampling.BICUBIC, expand=True)
            results = predictor(turned).faces
            for _ in range(REPEATS):
                start = time.perf_counter()
                predictor.detector.detect(turned)
                times.append(1000 * (time.perf_counter() - start))
            found += len(results)
            places = {id(face): _place(face.box, -roll, turned.size, photo.size) for face in results}
            for face in faces:
                side = Face(face.box, 1.0).size
                x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
                near = [other for other in results if math.dist(places[id(other)], (x, y)) < side / 2]
                matched += bool(near)
                right += any(other.label == face.label for other in near)
        print(
            f"| {roll} | {found} | {matched}/{total} | {right}/{total} | {statistics.median(times):.0f} |", flush=True
        )


def _place(box, roll: float, size: tuple[int, int], upright: tuple[int, int]) -> tuple[float, float]:
    """The centre of a box of the turned photo, in the upright one."""
    x, y = (box[0] + box[2] - size[0]) / 2, (box[1] + box[3] - size[1]) / 2
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    return x * cos + y * sin + upright[0] / 2, -x * sin + y * cos + upright[1] / 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("photos", nargs="+", metavar="PHOTO_OR_FOLDER")
    parser.add_argument("--detector", default="auto")
    main(parser.parse_args())
