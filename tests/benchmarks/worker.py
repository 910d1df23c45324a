"""
The other end of benchmark_against: does what it is told by lines, on whichever tree is first in its path.

It answers with processor milliseconds of one call; it imports what both trees have.
"""

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

CALLS = 3
FRAMES = 60


def photo_640() -> Image.Image:
    """640 x 480 with one face of usual size: NASA's portrait of Eileen Collins, reduced, on grey."""
    photo = Image.new("RGB", (640, 480), (110, 110, 110))
    photo.paste(Image.fromarray(skimage.data.astronaut()).resize((480, 480), Image.Resampling.LANCZOS), (80, 0))
    return photo


@functools.cache
def detector():
    from grefel_hf.faces.detection import create_detector

    return create_detector("yunet")


@functools.cache
def predictor():
    from grefel_hf import FacialExpressionPredictor

    return FacialExpressionPredictor.from_pretrained(detector="yunet", runtime="onnx")


@functools.cache
def network(recipe: str | None) -> tuple[Callable, np.ndarray]:
    """What runs a network, the bundled one or that of a recipe with random weights, and pixel values for it."""
    if recipe is None:
        values = predictor().processor([photo_640()], return_tensors="np")["pixel_values"]
        return predictor().network, values
    import yaml

    from grefel_hf import GReFELConfig, GReFELForImageClassification
    from grefel_hf.runtime.networks import create_network

    config = GReFELConfig.from_size("small", num_labels=8, **yaml.safe_load(Path(recipe).read_text())["model"])
    values = np.random.default_rng(0).standard_normal((1, 3, config.image_size, config.image_size))
    return create_network(GReFELForImageClassification(config).eval(), "onnx"), values.astype(np.float32)


@functools.cache
def video() -> Path:
    """60 frames at 30 a second in which the face drifts."""
    import av

    file = Path(tempfile.mkdtemp()) / "video.mp4"
    still = photo_640()
    with av.open(str(file), "w") as container:
        stream = container.add_stream("h264", rate=30, width=640, height=480, pix_fmt="yuv420p")
        for index in range(FRAMES):
            shift = (1, 0, 40 * np.sin(index / 12), 0, 1, 20 * np.cos(index / 9))
            frame = still.transform(still.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR)
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return file


def watch():
    from grefel_hf.video import analyse_video
    from grefel_hf.video.reader import VideoReader

    with VideoReader(video()) as reader:
        frames = sum(1 for _ in analyse_video(reader, predictor()))
    assert frames == FRAMES


def milliseconds(action: Callable, calls: int = CALLS) -> float:
    start = time.process_time()
    for _ in range(calls):
        action()
    return 1000 * (time.process_time() - start) / calls


def answer(what: str, argument: str | None) -> float:
    if what == "save":
        photo_640().save(argument, quality=90)
        return 0.0
    if what == "face":
        run, values = network(argument)
        return milliseconds(lambda: run(values))
    if what == "detect":
        picture = photo_640()
        return milliseconds(lambda: detector().detect(picture))
    if what == "photo":
        return milliseconds(lambda: predictor()(argument))
    video()
    return milliseconds(watch, 1) / FRAMES


def main():
    cv2.setNumThreads(1)
    for line in sys.stdin:
        what, _, argument = line.strip().partition(" ")
        print(json.dumps(answer(what, argument or None)), flush=True)


if __name__ == "__main__":
    main()
