"""
Frames of a video with their times, upright, in constant memory; decoded in a process of its own, which is limited in
memory and in time, and killed when it is late or no longer needed.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from ..limited_process import LimitedProcess, ProcessEndedError
from .decoder import MAX_PIXELS, VideoError
from .decoder_process import NEXT, PICTURE

logger = logging.getLogger("grefel_hf")

FRAME_SECONDS = 30.0  # of work, for opening, and for each frame
COMMAND = (sys.executable, "-m", f"{__package__}.decoder_process")


class Frame:
    """
    index: number in the video, from 0.
    time: seconds since the first frame.
    pixels: how many it has as decoded.
    """

    def __init__(self, index: int, time: float, pixels: int, fetch: Callable[[int], tuple[tuple[int, int], bytearray]]):
        self.index, self.time, self.pixels = index, time, pixels
        self._fetch = fetch
        self._picture: tuple[tuple[int, int], bytearray] | None = None

    def hold(self) -> None:
        """Have the picture also after the next frame."""
        if self._picture is None:
            self._picture = self._fetch(self.index)

    def image(self) -> Image.Image:
        """The upright picture in RGB, with square pixels, a new one each time."""
        self.hold()
        return Image.frombytes("RGB", *self._picture)


class VideoReader:
    """
    A video file or a moving picture, read once from its beginning.

        with VideoReader("clip.mp4") as video:
            for frame in video.frames():
                ...

    Args:
        max_pixels: the most that a frame may have, by the header, as decoded, and as shown; memory is limited by it.
        seconds: of work, for opening, and for each frame.

    Attributes:
        expected_frames: how many frames the header promises, None if it does not say.
        rate: frames a second on average; a usual one where the file does not say, or not believably.
        size: width and height of the frames in pixels, by the header and before they are turned.
        has_sound: there is an audio stream.
        start: time of the first frame by the file's own clock, once it is read.
        problem: after reading: why not everything could be read; None if all went well.

    Raises:
        VideoError: there is no such file, no video in it that can be read, or a larger one.
    """

    def __init__(self, path: str | Path, max_pixels: int = MAX_PIXELS, seconds: float = FRAME_SECONDS):
        self.path = Path(path)
        self.start = 0.0
        self.problem: str | None = None
        self._max_pixels, self._seconds = max_pixels, seconds
        self._current, self._is_asked = -1, False
        if not self.path.is_file():
            raise VideoError(f"{path} does not exist, or is no file: check the spelling")
        self._process = self._start("frames")
        try:
            header = self._answer()
        except VideoError:
            self.close()
            raise
        self.size: tuple[int, int] = (int(header["size"][0]), int(header["size"][1]))
        self.rate = float(header["rate"])
        self.expected_frames: int | None = header["expected_frames"]
        self.has_sound = bool(header["has_sound"])

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """End the process; pictures that are held stay."""
        self._process.end()

    def frames(self) -> Iterator[Frame]:
        """
        Frames in the order in which they are shown. What is damaged is passed over; `problem` then says so, and a
        warning is logged.

        Raises:
            VideoError: not one frame could be read, or one is over a limit.
        """
        while True:
            self._ask_for_next()
            self._is_asked = False
            facts = self._answer()
            self.start, self.problem = float(facts["start"]), facts["problem"]
            if "index" not in facts:
                break
            self._current = int(facts["index"])
            yield Frame(self._current, float(facts["time"]), int(facts["pixels"]), self._fetch)
        if self.problem:
            logger.warning(self.problem)

    @contextlib.contextmanager
    def sound(self) -> Iterator[Any]:
        """A readable file of the first audio stream, in a NUT container."""
        process = self._start("sound")
        try:
            yield process.answers
        finally:
            process.end()

    def _fetch(self, index: int) -> tuple[tuple[int, int], bytearray]:
        """Size and RGB pixels of the current frame. The next one is decoded while this one is worked on."""
        if index != self._current or self._is_asked:
            raise RuntimeError("a frame's picture is there until the next frame, unless it is held")
        self._ask(PICTURE)
        width, height = self._answer()["size"]
        if not 0 < width * height <= 2 * self._max_pixels:
            raise VideoError(f"{self.path} has a frame of {width} x {height}: scale it down")
        with self._as_video_error():
            pixels = self._process.read(width * height * 3)
        self._ask_for_next()
        return (width, height), pixels

    def _ask_for_next(self):
        if not self._is_asked:
            self._ask(NEXT)
            self._is_asked = True

    def _ask(self, request: bytes):
        with self._as_video_error():
            self._process.ask(request)

    def _answer(self) -> dict[str, Any]:
        with self._as_video_error():
            answer = self._process.answer()
        if "error" in answer:
            raise VideoError(answer["error"])
        return answer

    @contextlib.contextmanager
    def _as_video_error(self) -> Iterator[None]:
        """Why there is no answer."""
        try:
            yield
        except ProcessEndedError as error:
            if error.is_late:
                text = f"{self.path} takes more than {self._seconds:g} s for a frame: scale it down"
            else:
                text = f"{self.path} made its decoder fail: copy or download it again, or convert it to H.264 in MP4"
            raise VideoError(text) from None

    def _start(self, what: str) -> LimitedProcess:
        return LimitedProcess(*COMMAND, what, str(self.path), str(self._max_pixels), str(self._seconds))
