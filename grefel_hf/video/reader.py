"""
Frames of a video with their times, upright, in constant memory.

PyAV rather than OpenCV: it gives timestamps (phones record at variable rates) and rotation, its wheels hold an H.264
encoder, which browsers want, and it copies audio.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

logger = logging.getLogger("grefel_hf")

VIDEO_SUFFIXES = frozenset(".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split())
# Containers of one file. Playlists, which FFmpeg would recognise under any name, may name other files and servers.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg"
# A video that ends so many seconds, and this share, before its header says has lost its tail.
LOST_SECONDS, LOST_SHARE = 1.0, 0.05


class VideoError(ValueError):
    """A video that cannot be read or written; the message names it and says what to do."""


@dataclass(frozen=True)
class Frame:
    """
    index: number in the video, from 0.
    time: seconds since the first frame.
    """

    index: int
    time: float
    raw: Any  # av.VideoFrame
    pixel_aspect: float  # width of a pixel in units of its height

    def image(self) -> Image.Image:
        """The upright picture in RGB, with square pixels."""
        return upright_image(self.raw, self.pixel_aspect)


class VideoReader:
    """
    A video file, read once from its beginning.

        with VideoReader("clip.mp4") as video:
            for frame in video.frames():
                ...

    Attributes:
        expected_frames: how many frames the header promises, None if it does not say.
        rate: frames a second on average.
        size: width and height of the frames in pixels, by the header and before they are turned.
        start: time of the first frame by the file's own clock, once it is read.
        problem: after reading: why not everything could be read; None if all went well.

    Raises:
        VideoError: there is no such file, or no video in it that can be read.
    """

    def __init__(self, path: str | Path):
        av = import_av()
        self.path = Path(path)
        self.start = 0.0
        self.problem: str | None = None
        if not self.path.is_file():
            raise VideoError(f"{path} does not exist, or is no file: check the spelling")
        try:
            # An absolute name, as FFmpeg takes what stands before a colon for a protocol.
            self._container = av.open(str(self.path.resolve()), container_options={"format_whitelist": FORMATS})
        except av.FFmpegError as error:
            raise VideoError(
                f"{path} is not a video that can be read ({error.strerror or error}): if it played before, copy or "
                "download it again; else convert it to MP4"
            ) from error
        videos = [stream for stream in self._container.streams.video if not is_cover(stream)]
        if not videos:
            what = "sound only" if self._container.streams.audio else "no pictures"
            self.close()
            raise VideoError(f"{path} has {what}: pass a video")
        self._stream = videos[0]
        self._stream.thread_type = "AUTO"
        self.size = (self._stream.width or 0, self._stream.height or 0)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = float(rate) if rate else 25.0
        self.expected_frames = self._stream.frames or (round(self._seconds() * self.rate) or None)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """
        Frames in the order in which they are shown. What is damaged is passed over; `problem` then says so, and a
        warning is logged.

        Raises:
            VideoError: not one frame could be read.
        """
        index, last = 0, -math.inf
        for raw in self._decoded():
            time = index / self.rate if raw.time is None else raw.time
            self.start = self.start if index else time
            last = max(time - self.start, last + 1e-4)  # never standing still or going back
            yield Frame(index, last, raw, float(self._stream.sample_aspect_ratio or 1))
            index += 1
        if not index:
            reason = f" ({self.problem})" if self.problem else ""
            raise VideoError(f"{self.path} has no frame that can be read{reason}: copy or download it again")
        promised = self._seconds()
        if self.problem is None and promised - last - 1 / self.rate > max(LOST_SECONDS, LOST_SHARE * promised):
            self.problem = f"it should be {promised:.1f} s long"
        if self.problem:
            self.problem = f"{self.path} is damaged or cut off, {last:.1f} s of it were read: {self.problem}"
            logger.warning(self.problem)

    def _decoded(self) -> Iterator[Any]:
        """av.VideoFrames; packets that cannot be decoded are left out, a container that breaks off ends them."""
        av = import_av()
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self.problem = error.strerror or str(error)
                return
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self.problem = error.strerror or str(error)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.problem = "some frames are damaged"
                yield frame

    def _seconds(self) -> float:
        """Length by the header; 0 if it does not say."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else 0.0


def upright_image(frame: Any, pixel_aspect: float = 1.0) -> Image.Image:
    """An av.VideoFrame as RGB picture: turned as its display matrix says, pixels square."""
    pixels = frame.to_ndarray(format="rgb24")  # (H, W, 3)
    if pixel_aspect != 1:
        size = (max(1, round(pixels.shape[1] * pixel_aspect)), pixels.shape[0])
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    turns = round(frame.rotation / 90) % 4  # counter-clockwise
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels)


def is_cover(stream: Any) -> bool:
    """A picture that comes with a song."""
    return "attached_pic" in str(stream.disposition).lower()


def import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise VideoError(f"video needs PyAV ({error}): pip install av") from error
    return av
