"""Short videos made of copies of one portrait, and of nothing."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

CLOCK = Fraction(1, 1000)
SIZE = (200, 120)
FACE_BOX = (150, 30, 300, 210)  # of Eileen Collins in scikit-image's portrait, with a margin
FACE_SIZE = (75, 90)


def scene(portrait: Image.Image, *lefts: int, size=SIZE, background="navy") -> Image.Image:
    """A picture with a copy of the face at each distance from the left."""
    picture = Image.new("RGB", size, background)
    face = portrait.resize(FACE_SIZE, box=FACE_BOX)
    for left in lefts:
        picture.paste(face, (left, 15))
    return picture


def write_clip(
    path: Path,
    pictures: list[Image.Image],
    times: list[float] | None = None,
    rotation: int = 0,
    hflip: bool = False,
    sound: bool = False,
    rate: int = 10,
) -> Path:
    """
    Args:
        times: of the frames in seconds; ten a second by default.
        rotation: degrees counter-clockwise by which a player has to turn the frames,
        hflip: and then whether it has to mirror them.
        sound: add a hum as long as the pictures.
    """
    times = times or [index / 10 for index in range(len(pictures))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = CLOCK
        stream.options = {"crf": "10", "preset": "ultrafast", "g": "4"}
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        hum = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for picture, time in zip(pictures, times):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round(time / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if hum is not None:
            container.mux([*sound_packets(hum, times[-1] + 0.1), *hum.encode()])
    return path


def write_sound(path: Path) -> Path:
    """A second of a hum, without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        container.mux([*sound_packets(stream, 1.0), *stream.encode()])
    return path


def sound_packets(stream, seconds: float):
    samples = np.sin(np.arange(round(seconds * 8000)) * 0.3).astype(np.float32) * 0.1
    for start in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        yield from stream.encode(frame)


def read_pictures(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Frames (H, W, 3) and their times."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames]


# Two persons who come nearer to each other; the frames are not evenly spaced.
LEFTS = [(5 + 3 * i, 120 - 2 * i) for i in range(7)]
TIMES = [0.0, 0.1, 0.25, 0.3, 0.5, 0.55, 0.7]


class Counter:
    """A predictor that finds nothing and counts what it is given."""

    detector = None

    def __init__(self):
        self.pictures = 0

    def stream(self, photos, **options):
        from grefel_hf import PhotoPrediction

        for photo in photos:
            self.pictures += 1
            yield PhotoPrediction(None, *photo.size, "hog", [], ("neutral", "happiness"))
