"""
Which face of one frame is which of the next: by place and size, as expressions do not tell people apart.

A network of expressions has learned to see the same in everybody, so its embedding names nobody. What is known is the
place: of a face that a pan took out of the picture, too, for the pan back.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..faces.face import Box

# A face is the same one if its centre moved less than this, in units of its size, and its size changed less than so.
LEAST_REACH = 0.6
MOST_GROWTH = 1.8
# A person may go unseen for this long, or for this many analysed frames, whichever is longer.
PATIENCE_SECONDS = 1.0
PATIENCE_FRAMES = 2
# Whom the camera left behind is waited for this long.
AWAY_SECONDS = 10.0
# Share of the colours (see `colour_histogram`) that must change for a cut.
CUT = 0.5


@dataclass
class Track:
    """
    One person: a number from 1, the last box and time, and the smoothed distribution (N,).

    hidden: when the camera last had them beyond the picture's edge.
    """

    person: int
    box: Box
    time: float
    missed: int = 0
    hidden: float = -math.inf
    smoothed: np.ndarray | None = None


class Tracker:
    """
    Follows faces through the analysed frames of a video. A person who was out of sight for longer than
    `PATIENCE_SECONDS`, or whom a cut of the scene hid, comes back under a new number; whom the camera left behind keeps
    theirs, and their place, for `AWAY_SECONDS`.
    """

    def __init__(self):
        self._tracks: list[Track] = []
        self._persons = 0

    def update(
        self,
        time: float,
        boxes: list[Box],
        shift: tuple[float, float] = (0.0, 0.0),
        size: tuple[int, int] | None = None,
    ) -> list[Track]:
        """
        Args:
            time: of the frame, in seconds.
            boxes: its faces.
            shift: by how much the picture moved to the right and down since the last frame, in pixels.
            size: the frame's width and height; without it nobody is waited for outside of the picture.

        Returns:
            The track of each box; its time is still that of the last frame in which it was seen.
        """
        for track in self._tracks:
            track.box = tuple(value + shift[index % 2] for index, value in enumerate(track.box))
            if size is not None and _is_hidden(track.box, size, any(shift)):
                track.hidden = time
        self._tracks = [track for track in self._tracks if _is_awaited(track, time)]
        pairs = sorted(
            (distance, index, track.person, track)
            for index, box in enumerate(boxes)
            for track in self._tracks
            if (distance := box_distance(track.box, box)) is not None
        )
        chosen: dict[int, Track] = {}
        for _, index, _, track in pairs:  # nearest first
            if index not in chosen and track not in chosen.values():
                chosen[index] = track
        for track in self._tracks:
            track.missed += 1
        for index, box in enumerate(boxes):
            if index not in chosen:
                self._persons += 1
                chosen[index] = Track(self._persons, box, time)
                self._tracks.append(chosen[index])
            chosen[index].box, chosen[index].missed = box, 0
        return [chosen[index] for index in range(len(boxes))]

    def end_all(self):
        """The scene was cut: whoever comes now is somebody else."""
        self._tracks = []


def _is_awaited(track: Track, time: float) -> bool:
    """Patience begins when a face can be seen again, wholly: a pan brings it in bit by bit."""
    unseen = time - (max(track.time, track.hidden) if time - track.time <= AWAY_SECONDS else track.time)
    return unseen <= PATIENCE_SECONDS + 1e-9 or track.missed < PATIENCE_FRAMES


def _is_hidden(box: Box, size: tuple[int, int], moves: bool) -> bool:
    """Whether a face has its centre beyond the edge of the picture; while that moves, any part of it."""
    left, top, right, bottom = box
    if moves:
        return left < 0 or top < 0 or right > size[0] or bottom > size[1]
    return not (0 <= left + right <= 2 * size[0] and 0 <= top + bottom <= 2 * size[1])


def box_distance(one: Box, other: Box) -> float | None:
    """How unlikely two boxes are the same face, from 0 up; None if they cannot be."""
    sizes = [math.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)) for box in (one, other)]
    centres = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (one, other)]
    moved = math.dist(*centres) / max(sizes)
    growth = max(sizes) / min(sizes)
    return moved + math.log(growth) if moved < LEAST_REACH and growth < MOST_GROWTH else None


def smooth(track: Track, time: float, distribution: np.ndarray, seconds: float) -> np.ndarray:
    """
    The track's exponential mean after one more distribution (N,).

    The weight of what was seen t seconds ago falls as exp(-t / seconds), whatever the frame rate; with 0 there is no
    smoothing. `track` keeps the mean and the time.
    """
    if track.smoothed is None or seconds == 0:
        mean = distribution
    else:
        mean = distribution + math.exp(-(time - track.time) / seconds) * (track.smoothed - distribution)
    track.smoothed, track.time = mean, time
    return mean


def colour_histogram(image: Image.Image) -> np.ndarray:
    """Shares (64,) of a picture's pixels by colour, four steps each of red, green and blue."""
    small = np.asarray(image.resize((64, 36), Image.Resampling.NEAREST)) // 64  # (36, 64, 3), values 0 to 3
    codes = small.reshape(-1, 3).astype(np.int64) @ np.array([16, 4, 1])
    return np.bincount(codes, minlength=64) / codes.size


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two frames with these histograms belong to different scenes."""
    return float(np.abs(before - after).sum()) / 2 > CUT
