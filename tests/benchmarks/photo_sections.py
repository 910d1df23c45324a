"""Benchmarks from photos to results: where the time of one photo goes, and photos in bulk."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.cropping import crop_face
from grefel_hf.faces.photos import load_photo
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
    """Faces a second through `stream`, from JPEG files."""
    predictor = FacialExpressionPredictor.from_pretrained(detector=detector_name(), runtime=runtime)
    image = photo_640()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{index}.jpg" for index in range(BULK_PHOTOS)]
        for file in files:
            image.save(file, quality=90)
        list(predictor.stream(files[:16]))
        start = time.perf_counter()
        faces = sum(len(result.faces) for result in predictor.stream(files))
        seconds = time.perf_counter() - start
    return {f"{predictor.detector.name}, faces a second": faces / seconds}


def memory(runtime: str) -> dict[str, float]:
    """Peak of a process in MB: the predictor on one photo at a time, and on 32."""
    figures = {"this process so far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for name in dict.fromkeys((runtime, "torch")):
        for photos in (1, 32):
            command = [sys.executable, "-c", MEMORY_SCRIPT, name, detector_name(), str(photos)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            figures[f"runtime {name}, {photos} photos at a time"] = float(done.stdout)
    return {f"{name}: MB": value for name, value in figures.items()}
