"""Benchmarks from photos to results: where the time of one photo goes, and photos in bulk."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from grefel_hf import FacialExpressionPredictor
from grefel_hf.bulk import overlapped
from grefel_hf.faces.cropping import crop_face
from grefel_hf.faces.photos import load_photo
from grefel_hf.predictor import PHOTOS_IN_FLIGHT
from tests.benchmarks.measuring import race
from tests.benchmarks.worker import photo_640
from tests.helpers import REPOSITORY

BULK_PHOTOS = 64
# A process that loads the predictor, runs photos, and prints its peak in MB. Linux's getrusage would count the process
# that started it, too; this is the peak of the program itself, in KB.
MEMORY_SCRIPT = """
import re, sys
from pathlib import Path
import skimage.data
from grefel_hf import FacialExpressionPredictor
predictor = FacialExpressionPredictor.from_pretrained(runtime=sys.argv[1], detector=sys.argv[2])
for _ in range(20):
    predictor([skimage.data.astronaut()] * int(sys.argv[3]))
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
# The same for many small photos of 32 sizes, through `stream`: its peak after some of them.
MANY_SCRIPT = """
import io, re, sys
from pathlib import Path
from PIL import Image
from grefel_hf import FacialExpressionPredictor
from tests.benchmarks.worker import photo_640
face = photo_640().crop((200, 0, 440, 240))
files = []
for side in range(40, 72):
    files.append(io.BytesIO())
    face.resize((side, side + 8)).save(files[-1], "jpeg")
predictor = FacialExpressionPredictor.from_pretrained(runtime=sys.argv[1], detector=sys.argv[2])
count = int(sys.argv[3])
photos = (files[number % len(files)].getvalue() for number in range(count))
for number, result in enumerate(predictor.stream(photos, keep_crops=False), 1):
    if number in (count // 100, count // 10, count):
        print(number, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def detector_name() -> str:
    return "yunet" if os.environ.get("GREFEL_YUNET") else "hog"


def photo(runtime: str) -> dict[str, float]:
    """One photo of 640x480 with one face: milliseconds of each step, its share, and photos a second."""
    predictor = FacialExpressionPredictor.from_pretrained(detector=detector_name(), runtime=runtime)
    image = photo_640()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.jpg"
        image.save(file, quality=90)
        faces = predictor.detector.detect(image)
        assert len(faces) == 1, f"{len(faces)} faces found in a photo of one"
        crop = crop_face(image, faces[0])
        values = predictor.processor([crop], return_tensors="np")["pixel_values"]
        steps = {
            "decoding": lambda: load_photo(file),
            "detection": lambda: predictor.detector.detect(image),
            "cropping": lambda: crop_face(image, faces[0]),
            "preprocessing": lambda: predictor.processor([crop], return_tensors="np"),
            "network": lambda: predictor.network(values),
        }
        times = race(
            {**steps, "pixels to results": lambda: predictor(image), "file to results": lambda: predictor(file)}
        )
    total = sum(times[name] for name in steps)
    figures = {f"{name}: ms": milliseconds for name, milliseconds in times.items()}
    figures |= {f"{name}: % of the steps": 100 * times[name] / total for name in steps}
    figures["photos a second, from decoded pixels"] = 1000 / times["pixels to results"]
    figures["photos a second, from JPEG files"] = 1000 / times["file to results"]
    return {f"{predictor.detector.name}, {name}": value for name, value in figures.items()}


def bulk(runtime: str) -> dict[str, float]:
    """
    Photos a second through `stream`, from JPEG files of 640x480 with one face, and of the sum of its parts: decoding
    and detection alone, as many at once as there are cores, and the network alone, in batches of what `stream` runs.
    """
    predictor = FacialExpressionPredictor.from_pretrained(detector=detector_name(), runtime=runtime)
    image = photo_640()
    crop = crop_face(image, predictor.detector.detect(image)[0])
    batch = PHOTOS_IN_FLIGHT // 2
    values = predictor.processor([crop] * batch, return_tensors="np")["pixel_values"]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{index}.jpg" for index in range(BULK_PHOTOS)]
        for file in files:
            image.save(file, quality=90)
        actions = {
            "decoding": lambda: list(overlapped(load_photo, files, PHOTOS_IN_FLIGHT)),
            "detection": lambda: list(overlapped(predictor.detector.detect, [image] * BULK_PHOTOS, PHOTOS_IN_FLIGHT)),
            "network": lambda: [predictor.network(values) for _ in range(BULK_PHOTOS // batch)],
            "stream": lambda: list(predictor.stream(files)),
        }
        times = {name: milliseconds / BULK_PHOTOS for name, milliseconds in race(actions, calls=1).items()}
    parts = sum(times.values()) - times["stream"]
    figures = {f"{name}: ms a photo": milliseconds for name, milliseconds in times.items()}
    figures |= {
        "photos a second": 1000 / times["stream"],
        "speed / that of the sum of its parts": parts / times["stream"],
    }
    return {f"{predictor.detector.name}, {name}": value for name, value in figures.items()}


def memory(runtime: str) -> dict[str, float]:
    """Peak of a process in MB: the predictor on one photo at a time, and on 32."""
    figures = {"this process so far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    for name in dict.fromkeys((runtime, "torch")):
        for photos in (1, 32):
            figures[f"runtime {name}, {photos} photos at a time"] = float(run_script(MEMORY_SCRIPT, name, photos))
    return {f"{name}: MB": value for name, value in figures.items()}


def many(runtime: str, photos: int) -> dict[str, float]:
    """Peak of a process in MB after a hundredth, a tenth and all of so many small photos through `stream`."""
    lines = run_script(MANY_SCRIPT, runtime, photos).splitlines()
    return {f"after {number} photos: MB": float(peak) for number, peak in map(str.split, lines)}


def run_script(script: str, runtime: str, photos: int) -> str:
    command = [sys.executable, "-c", script, runtime, detector_name(), str(photos)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
