"""
Decoding of a video in this process: what `decoder_process` does apart from everything else.

PyAV rather than OpenCV: it gives timestamps (phones record at variable rates) and rotation, its wheels hold an H.264
encoder, which browsers want, and it copies audio. Pillow reads GIF, WebP and PNG that move.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from ..media import file_kind

AS_A_PHOTO = "analyse it as a photo"
# Containers of one file. Playlists, which FFmpeg would recognise under any name, may name other files and servers.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg"
# A video that ends so many seconds, and this share, before its header says has lost its tail.
LOST_SECONDS, LOST_SHARE = 1.0, 0.05
MAX_PIXELS = 36_000_000  # of one frame: 8K and a little
MAX_STREAMS = 64
CONTAINER_OPTIONS = {"format_whitelist": FORMATS, "max_streams": str(MAX_STREAMS)}
# Frames may grow on the way, as a call's do when the line gets better, but not from a stamp to a poster.
GROWTH, GROWN_PIXELS = 2, 4_000_000
MOST_STRETCHED = 4.0  # anamorphic pixels are up to 2.4 times as wide as high
PLAUSIBLE_RATE = 240.0  # frames a second; containers without a rate often show their clock's instead
USUAL_RATE = 25.0
MOST_THREADS = 4  # each holds frames of its own


class VideoError(ValueError):
    """A video that cannot be read or written; the message names it and says what to do."""


@dataclass(frozen=True)
class DecodedFrame:
    """
    index: number in the video, from 0.
    time: seconds since the first frame.
    pixels: how many it has as decoded.
    image: makes the upright picture in RGB, with square pixels.
    """

    index: int
    time: float
    pixels: int
    image: Callable[[], Image.Image]


class VideoDecoder:
    """A video file or a moving picture, read once from its beginning. As `VideoReader`, in this process."""

    def __init__(self, path: Path, max_pixels: int):
        self.path = path
        self.start = 0.0
        self.problem: str | None = None
        self.has_sound = False
        self._max_pixels = max_pixels
        self._container = None
        try:
            kind = file_kind(self.path)
        except OSError as error:
            raise VideoError(f"{self.path} cannot be opened: {error.strerror}") from error
        if kind == "photo":  # FFmpeg takes some for videos of one frame
            raise VideoError(f"{self.path} is a photo, not a video: {AS_A_PHOTO}")
        if kind == "moving picture":
            self._open_moving_picture()
        else:
            self._open_video()

    def _open_moving_picture(self):
        from .moving_pictures import moving_pictures  # most videos are started without it

        self._pictures = moving_pictures(self.path)
        try:
            self.size = next(self._pictures)
        except Exception as error:  # decoders raise many types on a damaged header
            raise VideoError(f"{self.path} is not a moving picture that can be read: {error}") from error
        self._check_size(*self.size)
        self.rate, self.expected_frames = USUAL_RATE, None

    def _open_video(self):
        av = import_av()
        try:
            # An absolute name, as FFmpeg takes what stands before a colon for a protocol.
            self._container = av.open(
                str(self.path.resolve()),
                options={"max_pixels": str(self._max_pixels)},  # for the decoders, which look at the first frames here
                container_options=CONTAINER_OPTIONS,
            )
        except (av.FFmpegError, ValueError) as error:  # PyAV's own errors are ValueErrors
            raise VideoError(
                f"{self.path} is not a video that can be read ({getattr(error, 'strerror', None) or error}): if it "
                "played before, copy or download it again; else convert it to MP4"
            ) from error
        try:
            self._choose_stream()
        except VideoError:
            self.close()
            raise

    def _choose_stream(self):
        videos = [stream for stream in self._container.streams.video if not is_cover(stream)]
        self.has_sound = bool(self._container.streams.audio)
        if not videos:
            raise VideoError(f"{self.path} has {'sound only' if self.has_sound else 'no pictures'}: pass a video")
        self._stream = videos[0]
        if self._stream.codec_context is None:
            raise VideoError(f"{self.path} is in a format that cannot be decoded: convert it to MP4")
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
        self._stream.codec_context.options = {"max_pixels": str(self._max_pixels)}
        self.size = (self._stream.width or 0, self._stream.height or 0)
        self._pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
        self._check_size(*self.size)
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.rate = rate if 0 < rate <= PLAUSIBLE_RATE else USUAL_RATE
        self._counts_from_zero = "matroska" in self._container.format.name  # whenever the first frame is
        start = (self._container.start_time or 0) / 1e6 if self._counts_from_zero else 0.0
        self.expected_frames = self._stream.frames or (round(max(0.0, self._seconds() - start) * self.rate) or None)

    def close(self):
        if self._container is not None:
            self._container.close()

    def frames(self) -> Iterator[DecodedFrame]:
        """
        Frames in the order in which they are shown. What is damaged is passed over; `problem` then says so.

        Raises:
            VideoError: not one frame could be read, or one is over the limit.
        """
        index, last = 0, -math.inf
        most = self._max_pixels
        for time, pixels, image in self._decoded_frames() if self._container else self._drawn_frames():
            if not index:
                most = min(most, max(GROWTH * pixels, GROWN_PIXELS))
            if pixels > most:
                size = f"{pixels / 1e6:.1f} megapixels, the limit is {most / 1e6:g}"
                raise VideoError(f"{self.path} has frames of {size}: scale it down")
            time = index / self.rate if time is None else time
            self.start = self.start if index else time
            last = max(time - self.start, last + 1e-4)  # never standing still or going back
            yield DecodedFrame(index, last, pixels, image)
            index += 1
        if not index:
            reason = f" ({self.problem})" if self.problem else ""
            raise VideoError(f"{self.path} has no frame that can be read{reason}: copy or download it again")
        promised = self._seconds()
        if self._container and self._counts_from_zero:
            promised -= self.start
        if self.problem is None and promised - last - 1 / self.rate > max(LOST_SECONDS, LOST_SHARE * promised):
            self.problem = f"it should be {promised:.1f} s long"
        if self.problem:
            self.problem = f"{self.path} is damaged or cut off, {last:.1f} s of it were read: {self.problem}"

    def _decoded_frames(self) -> Iterator[tuple[float | None, int, Callable[[], Image.Image]]]:
        """Of a video: time by its own clock, pixels, and what makes the upright picture."""
        for raw in self._decoded():
            self._pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
            self._check_size(raw.width, raw.height)
            yield raw.time, raw.width * raw.height, partial(upright_image, raw, self._pixel_aspect)

    def _drawn_frames(self) -> Iterator[tuple[float | None, int, Callable[[], Image.Image]]]:
        """The same of a moving picture."""
        try:
            for time, picture in self._pictures:
                yield time, picture.width * picture.height, picture.copy
        except Exception as error:  # decoders raise many types on damaged data
            self.problem = " ".join(str(error).split()) or type(error).__name__

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

    def _check_size(self, width: int, height: int):
        """Raises VideoError for frames that are too large as they are, or once their pixels are square."""
        if width * height > self._max_pixels:
            limit = f"{self._max_pixels / 1e6:g} megapixels"
            raise VideoError(f"{self.path} is too large ({width} x {height}), the limit is {limit}: scale it down")
        aspect = self._pixel_aspect if self._container else 1.0
        if not 1 / MOST_STRETCHED <= aspect <= MOST_STRETCHED or width * height * aspect > self._max_pixels:
            raise VideoError(f"{self.path} has pixels {aspect:.3g} times as wide as high: convert it to square ones")

    def _seconds(self) -> float:
        """Length by the header, or end of what counts from zero; 0 if it does not say."""
        if self._container is None:
            return 0.0
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else 0.0


def upright_image(frame: Any, pixel_aspect: float = 1.0) -> Image.Image:
    """An av.VideoFrame as RGB picture: turned and mirrored as its display matrix says, pixels square."""
    from av.sidedata.sidedata import SideDataContainer  # after import_av

    # One thread: each frame would start its own, as many as there are processors.
    pixels = frame.to_ndarray(format="rgb24", threads=1)  # (H, W, 3)
    if pixel_aspect != 1:
        size = (max(1, round(pixels.shape[1] * pixel_aspect)), pixels.shape[0])
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    # Not frame.side_data: it and the frame would keep each other until the garbage collector comes, hundreds of them.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")
    return Image.fromarray(np.ascontiguousarray(oriented(pixels, bytes(matrix))) if matrix else pixels)


def oriented(pixels: np.ndarray, matrix: bytes) -> np.ndarray:
    """
    A picture (H, W, 3) as players show it.

    Args:
        matrix: FFmpeg's display matrix: nine int32, which send the point (x, y) to (a x + c y, b x + d y), y downwards,
            with a, b, c, d the values 0, 1, 3 and 4. Of other angles than quarter turns the nearest one is taken.
    """
    values = np.frombuffer(matrix, np.int32)
    if values.size < 9:
        return pixels
    a, b, c, d = (int(values[i]) for i in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):  # columns become rows
        pixels, x_step, y_step = pixels.swapaxes(0, 1), c, b
    else:
        x_step, y_step = a, d
    return pixels[:: -1 if y_step < 0 else 1, :: -1 if x_step < 0 else 1]


def is_cover(stream: Any) -> bool:
    """A picture that comes with a song."""
    return "attached_pic" in str(stream.disposition).lower()


def import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise VideoError(f"video needs PyAV ({error}): pip install av") from error
    return av
