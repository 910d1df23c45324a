"""Strangers' photos, decoded in a process of their own, which is limited in memory and in time."""

import json
import sys
import threading
from pathlib import Path

from PIL import Image

from ..limited_process import LENGTH_BYTES, LimitedProcess, ProcessEndedError
from .photos import MAX_PIXELS, Photo, PhotoError

PHOTO_SECONDS = 10.0  # of work, for one photo
PHOTOS_A_PROCESS = 500  # nothing that a photo leaves behind stays for long
COMMAND = (sys.executable, "-m", f"{__package__}.photo_process")


class PhotoReader:
    """
    Reads photos as `read_photo` does, one at a time, in a process that is kept for the next; it is started anew after
    a photo that ended it.

    Args:
        max_pixels: the most that is decoded; memory is limited by it.
        seconds: of work, for one photo.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS, seconds: float = PHOTO_SECONDS):
        self._max_pixels, self._seconds = max_pixels, seconds
        self._process: LimitedProcess | None = None
        self._left = 0  # photos for this process
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have the process ready, so that the first photo need not wait for it."""
        with self._lock:
            self._ready()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def read(self, source: str | Path | bytes, max_pixels: int | None = None) -> Photo:
        """
        One photo.

        Args:
            source: a path, or the content of a file.
            max_pixels: as `read_photo`, if fewer than of all photos.

        Raises:
            PhotoError: as `read_photo`, or the photo takes too much memory or time, or makes its decoder fail.
        """
        name = "the picture" if isinstance(source, bytes) else str(source)
        most = min(self._max_pixels, max_pixels or self._max_pixels)
        content = source if isinstance(source, bytes) else b""
        place = {"bytes": len(content)} if isinstance(source, bytes) else {"path": name}
        with self._lock:
            process = self._ready()
            self._left -= 1
            try:
                request = json.dumps({**place, "max_pixels": most}).encode()
                process.ask(len(request).to_bytes(LENGTH_BYTES, "big") + request + content)
                facts = process.answer()
                if "error" in facts:
                    raise PhotoError(facts["error"])
                width, height = facts["size"]
                if not 0 < width * height <= most:
                    raise ProcessEndedError(is_late=False)
                pixels = process.read(width * height * 3)
            except ProcessEndedError as error:
                self._end()
                says = f"takes more than {self._seconds:g} s to read" if error.is_late else "makes its decoder fail"
                raise PhotoError(f"{name} {says}: save it anew as JPEG or PNG") from None
        return Photo(Image.frombytes("RGB", (width, height), pixels), tuple(facts["notes"]))

    def _ready(self) -> LimitedProcess:
        if self._process is None or self._left <= 0 or self._process.process.poll() is not None:
            self._end()
            self._process = LimitedProcess(*COMMAND, str(self._max_pixels), str(self._seconds))
            self._left = PHOTOS_A_PROCESS
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
