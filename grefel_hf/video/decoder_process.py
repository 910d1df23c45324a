"""
The process in which a stranger's video is decoded, without PyTorch, so that it starts at once. `reader.py` starts it
and asks; it answers in JSON and raw pixels.

    python -m grefel_hf.video.decoder_process frames PATH MAX_PIXELS SECONDS
    python -m grefel_hf.video.decoder_process sound PATH MAX_PIXELS SECONDS
"""

import os
import sys
from pathlib import Path
from typing import IO

from ..limited_process import allow, limit_process, send, take_answers
from .decoder import CONTAINER_OPTIONS, DecodedFrame, VideoDecoder, VideoError, import_av

NEXT, PICTURE = b"n", b"p"
MEMORY_PER_PIXEL = 64  # bytes; decoders keep up to 17 frames, of 3 bytes a pixel at most


def serve_frames(path: Path, max_pixels: int, seconds: float, requests: IO[bytes], answers: IO[bytes]) -> None:
    """What the header says; then for each `NEXT` what is known of the next frame, and for each `PICTURE` its pixels."""
    decoder = VideoDecoder(path, max_pixels)
    names = ("size", "rate", "expected_frames", "has_sound")
    allow(0)
    send(answers, **{name: getattr(decoder, name) for name in names})
    frames = decoder.frames()
    frame: DecodedFrame | None = None
    while request := requests.read(1):
        allow(seconds)
        if request == NEXT:
            frame = next(frames, None)
            facts = {} if frame is None else {"index": frame.index, "time": frame.time, "pixels": frame.pixels}
            allow(0)
            send(answers, **facts, start=decoder.start, problem=decoder.problem)
        elif frame is not None:
            picture = frame.image()
            pixels = picture.tobytes()
            allow(0)
            send(answers, size=picture.size)
            answers.write(pixels)
            answers.flush()


def serve_sound(path: Path, seconds: float, answers: IO[bytes]) -> None:
    """The first audio stream as it is, in a NUT container, as far as somebody reads it."""
    av = import_av()
    with (
        av.open(str(path.resolve()), container_options=CONTAINER_OPTIONS) as source,
        av.open(answers, "w", format="nut") as copy,
    ):
        audio = source.streams.audio[0]
        stream = copy.add_stream_from_template(audio)
        packets = source.demux(audio)
        while True:
            allow(seconds)
            packet = next(packets, None)
            allow(0)  # writing waits for the reader
            if packet is None:
                break
            times = (packet.dts, packet.pts)
            if None not in times and min(times) >= 0:  # NUT would move all packets to have none below 0
                packet.stream = stream
                copy.mux(packet)
    answers.flush()


def main() -> None:
    """Serve the file that the command line names."""
    what, path, max_pixels, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    answers = take_answers()
    try:
        import_av()  # before the limits, which are for the file
        limit_process(MEMORY_PER_PIXEL * max_pixels)
        allow(seconds)
        if what == "sound":
            serve_sound(path, seconds, answers)
        else:
            serve_frames(path, max_pixels, seconds, sys.stdin.buffer.raw, answers)
    except VideoError as error:
        send(answers, error=str(error))
    except MemoryError:
        send(answers, error=f"{path} takes more memory than a video may: scale it down")
    except Exception:  # of decoders, or nobody asks any more
        os._exit(1)
    os._exit(0)  # nothing is tidied up that a file may have damaged


if __name__ == "__main__":
    main()
