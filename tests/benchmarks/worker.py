"""
The other end of benchmark_against: does what it is told by lines, on whichever tree is first in its path.

It imports what both trees have. A line is a JSON list: what to answer (see `ANSWERS`), and its arguments.
"""

import functools
import json
import os
import resource
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
FRAMES = 150


def photo_640() -> Image.Image:
    """640 x 480 with one face of usual size: NASA's portrait of Eileen Collins, reduced, on grey."""
    photo = Image.new("RGB", (640, 480), (110, 110, 110))
    photo.paste(Image.fromarray(skimage.data.astronaut()).resize((480, 480), Image.Resampling.LANCZOS), (80, 0))
    return photo


@functools.cache
def predictor(network: str | None = None):
    """With the bundled network, or that of a folder."""
    from grefel_hf import FacialExpressionPredictor

    return FacialExpressionPredictor.from_pretrained(network, detector="yunet", runtime="onnx")


@functools.cache
def video() -> Path:
    """Frames at 30 a second in which the face drifts."""
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


def watch(network: str | None = None) -> list:
    """The faces of all frames, in order."""
    from grefel_hf.video import analyse_video
    from grefel_hf.video.reader import VideoReader

    with VideoReader(video()) as reader:
        frames = list(analyse_video(reader, predictor(network)))
    assert len(frames) == FRAMES
    return [tracked.face for frame in frames for tracked in frame.faces]


def seconds(action: Callable, calls: int = CALLS) -> dict[str, float]:
    """Of one call, by the clock and of the processor (all threads, and processes that ended)."""

    def now() -> dict[str, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return {"processor": sum(one.ru_utime + one.ru_stime for one in used), "clock": time.perf_counter()}

    start = now()
    for _ in range(calls):
        action()
    return {name: (value - start[name]) / calls for name, value in now().items()}


def face() -> dict[str, float]:
    values = predictor().processor([photo_640()], return_tensors="np")["pixel_values"]
    return seconds(lambda: predictor().network(values))


def detect() -> dict[str, float]:
    picture = photo_640()
    return seconds(lambda: predictor().detector.detect(picture))


def photo() -> dict[str, float]:
    picture = photo_640()
    return seconds(lambda: predictor()(picture))


def frame() -> dict[str, float]:
    video()
    return {name: value / FRAMES for name, value in seconds(watch, 1).items()}


def photographed(network: str, *photos: str) -> list[dict]:
    return [figures(face) for photo in photos for face in predictor(network)(photo).faces]


def filmed(network: str) -> list[dict]:
    return [figures(face) for face in watch(network)]


def figures(face) -> dict[str, list[float]]:
    return {"box": list(map(float, face.box)), "values": face.corrected.tolist()}


ANSWERS = {
    "save": lambda file: photo_640().save(file, quality=90),
    "face": face,
    "detect": detect,
    "photo": photo,
    "video": frame,
    "photographed": photographed,
    "filmed": filmed,
}


def main():
    cv2.setNumThreads(int(os.environ["OMP_NUM_THREADS"]))
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        print(json.dumps(ANSWERS[what](*arguments)), flush=True)


if __name__ == "__main__":
    main()
