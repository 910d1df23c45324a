"""
The process in which strangers' photos are decoded, one after the other. `photo_reader.py` starts it and asks; it
answers in JSON and raw pixels.

    python -m grefel_hf.faces.photo_process MAX_PIXELS SECONDS
"""

import json
import os
import sys
from pathlib import Path
from typing import IO

from ..limited_process import LENGTH_BYTES, allow, limit_process, send, take_answers
from .photos import PhotoError, decodable_formats, read_photo

MEMORY_PER_PIXEL = 32  # bytes; laying transparency on white holds four pictures of 4 bytes a pixel


def serve(seconds: float, requests: IO[bytes], answers: IO[bytes]) -> None:
    """For each photo its size and notes, then its pixels; or why there are none."""
    while length := requests.read(LENGTH_BYTES):
        request = json.loads(requests.read(int.from_bytes(length, "big")))
        source = Path(request["path"]) if "path" in request else requests.read(request["bytes"])
        pixels = b""
        allow(seconds)
        try:
            photo = read_photo(source, max_pixels=request["max_pixels"])
            pixels = photo.image.tobytes()
            facts = {"size": photo.image.size, "notes": photo.notes}
        except (PhotoError, MemoryError) as error:
            is_full = MemoryError in (type(error), type(error.__cause__))
            name = request.get("path", "the picture")
            facts = {"error": f"{name} takes more memory than a photo may: scale it down" if is_full else str(error)}
        allow(0)
        send(answers, **facts)
        answers.write(pixels)
        answers.flush()


def main() -> None:
    """Serve until nobody asks any more."""
    max_pixels, seconds = int(sys.argv[1]), float(sys.argv[2])
    answers = take_answers()
    try:
        decodable_formats()  # with their decoders, before the limits, which are for photos
        limit_process(MEMORY_PER_PIXEL * max_pixels)
        serve(seconds, sys.stdin.buffer, answers)
    except Exception:  # of decoders, or nobody reads the answer
        os._exit(1)
    os._exit(0)  # nothing is tidied up that a file may have damaged


if __name__ == "__main__":
    main()
