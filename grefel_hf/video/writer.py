"""A copy of a video with the faces' boxes drawn in: H.264, which browsers play, its times and sound as they were."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ..faces.face import Box
from ..files import whole_file
from ..palette import answer_colour
from .analysis import TrackedFace, VideoFrame
from .decoder import VideoError, import_av
from .reader import VideoReader

logger = logging.getLogger("grefel_hf")

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
CLOCK = Fraction(1, 90_000)  # seconds per tick of the copy
BT709 = 1  # FFmpeg's number for the colours of HD video
OPTIONS = {"preset": "veryfast", "crf": "21"}


def write_annotated(frames: Iterable[VideoFrame], path: str | Path, video: VideoReader) -> Iterator[VideoFrame]:
    """
    Draw and write each frame on its way through.

    Args:
        frames: of `analyse_video(..., every_frame=True)`.
        path: .mp4, .mov or .mkv. It appears, whole, when the frames end; an error leaves nothing.
        video: where the frames come from, for its rate and sound.

    Yields:
        The frames.

    Raises:
        VideoError: the container is none of these, or cannot be written.
    """
    path = Path(path)
    check_container(path)
    av = import_av()
    writer = None
    try:
        with whole_file(path) as partial:
            try:
                for frame in frames:
                    picture = annotate(frame.picture(), frame.faces)
                    if writer is None:
                        writer = _Writer(partial, CONTAINERS[path.suffix.lower()], picture.size, video)
                    writer.add(picture, frame.time)
                    yield frame
                if writer is not None:
                    writer.finish()
            finally:
                if writer is not None:
                    writer.close()
    except av.FFmpegError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}") from error


def check_container(path: Path):
    """Raises VideoError for another file than a video that can be written."""
    if path.suffix.lower() not in CONTAINERS:
        raise VideoError(f"{path} must end with {', '.join(CONTAINERS)}")


class _Writer:
    """One file: frames come in, the sound of `video` is laid beside them up to the time of each."""

    def __init__(self, path: Path, container: str, size: tuple[int, int], video: VideoReader):
        self._av = import_av()
        options = {"movflags": "faststart"} if container != "matroska" else {}
        self._container = self._av.open(str(path), "w", format=container, options=options)
        self._stream = self._container.add_stream("libx264", rate=Fraction(video.rate).limit_denominator(1001))
        self._stream.width, self._stream.height = (max(2, side - side % 2) for side in size)  # 4:2:0 halves them
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = OPTIONS
        codec = self._stream.codec_context
        codec.time_base = CLOCK
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        self._sound = _Sound(video, self._container)

    def add(self, picture: Image.Image, time: float):
        self._sound.copy(time)
        frame = self._av.VideoFrame.from_image(picture).reformat(
            self._stream.width, self._stream.height, "yuv420p", dst_colorspace="ITU709"
        )
        frame.pts, frame.time_base = round(time / CLOCK), CLOCK
        self._container.mux(self._stream.encode(frame))

    def finish(self):
        self._container.mux(self._stream.encode())
        self._container.close()  # writes the index

    def close(self):
        self._sound.close()
        with contextlib.suppress(self._av.FFmpegError):  # where an error came before
            self._container.close()


class _Sound:
    """The first audio stream of a video, copied packet by packet as the process that reads it gives them."""

    def __init__(self, video: VideoReader, output: Any):
        self._av = import_av()
        self._output, self._packets, self._next = output, iter(()), None
        self._input = contextlib.ExitStack()
        if not video.has_sound:
            return
        try:
            file = self._input.enter_context(video.sound())
            source = self._input.enter_context(self._av.open(file, format="nut")).streams.audio[0]
            self._stream = output.add_stream_from_template(source)
        except (ValueError, IndexError, self._av.FFmpegError):
            logger.warning("%s: its sound cannot be copied and is left out", video.path)
            return
        self._start = video.start
        self._packets = source.container.demux(source)

    def copy(self, until: float):
        """Write the packets up to this time of the video, in seconds from its first frame."""
        while self._packets is not None:
            if self._next is None:
                try:
                    self._next = next(self._packets)
                except (StopIteration, self._av.FFmpegError):  # damaged: the pictures go on without
                    self._packets = None
                    return
            packet = self._next
            if packet.pts is not None and packet.dts is not None:
                time = float(packet.pts * packet.time_base) - self._start
                if time > until:
                    return
                if time >= 0:
                    shift = round(self._start / packet.time_base)
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    packet.stream = self._stream
                    self._output.mux(packet)
            self._next = None

    def close(self):
        self._input.close()


def annotate(picture: Image.Image, faces: list[TrackedFace]) -> Image.Image:
    """Draw boxes with person, label and probability into an RGB picture (changed in place and returned)."""
    draw = ImageDraw.Draw(picture)
    width = max(2, round(min(picture.size) / 240))
    font = ImageFont.load_default(max(10, round(min(picture.size) / 28)))
    for tracked in faces:
        colour = answer_colour(tracked.face.labels, tracked.label)
        draw.rectangle(tracked.face.box, outline=colour, width=width)
    taken: list[Box] = []
    for tracked in faces:  # after all boxes, which would run through the texts
        colour = answer_colour(tracked.face.labels, tracked.label)
        score = f" {tracked.score:.0%}" if tracked.face.is_answered else ""
        text = f"{tracked.person}: {tracked.label}{score}"
        box = draw.textbbox((0, 0), text, font=font)
        size = (box[2] + 2 * width, box[3] + 2 * width)
        place = free_place(tracked.face.box, size, picture.size, taken)
        taken.append(place)
        draw.rectangle(place, fill=colour)
        draw.text((place[0] + width, place[1] + width), text, fill=ink_on(colour), font=font)
    return picture


def free_place(face: Box, size: tuple[float, float], picture: tuple[int, int], taken: Sequence[Box]) -> Box:
    """
    Where a text of this size goes: above its face, below it, or inside it at the top or bottom, the first of these that
    is in the picture and free of other texts; above (or at the picture's edge) where none is.
    """
    left, top, _, bottom = face
    width, height = size
    x = min(max(left, 0.0), max(picture[0] - width, 0.0))
    places = [(x, y, x + width, y + height) for y in (top - height, bottom, top, bottom - height)]
    inside = [place for place in places if place[1] >= 0 and place[3] <= picture[1]]
    free = [place for place in inside if not any(_overlap(place, other) for other in taken)]
    y = max(min(top - height, picture[1] - height), 0.0)
    return (free or inside or [(x, y, x + width, y + height)])[0]


def _overlap(first: Box, second: Box) -> bool:
    return all(first[i] < second[i + 2] and second[i] < first[i + 2] for i in (0, 1))


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on #rrggbb."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "white"
