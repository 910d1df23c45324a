"""Why an answer is what it is, on demand or drawn: covered parts of a face, and its place among the anchors."""

import itertools
from typing import Any

import numpy as np

from grefel_hf.occlusion import Occlusion
from grefel_hf.results import FacePrediction

from ... import figures
from ... import sentences as wording
from ...data_uris import jpeg_uri
from ...frames import decode_frame
from ...rendering import render

PIECE_SIDE = 72  # pixels
# Of the map's half side: how far anchors in use reach out, and where the others stand.
REACH, RIM = 0.72, 0.95
MARK = 0.15  # side of a face's mark on a map of a phone's width
NAME = (0.24, 0.2)  # half the width that a name takes on the map, and how far down it reaches, marks included
MOST_FACES = 12  # on one map


def requested_crop(data: dict[str, Any]) -> tuple[Any, np.ndarray | None]:
    """
    The crop and its landmarks (68, 2) as reasons.js sends them, None for none.

    Raises:
        ValueError: they are something else.
    """
    crop = decode_frame(data.get("crop"))
    if data.get("landmarks") is None:
        return crop, None
    landmarks = np.array(data["landmarks"], dtype=np.float64)
    if landmarks.shape != (68, 2) or not (np.abs(landmarks) <= 10).all():
        raise ValueError("These are no landmarks of a face.")
    return crop, landmarks


def covered_view(asked: Any, crop: Any, occlusions: list[Occlusion]) -> str:
    """
    What became of the answer as parts were covered.

    Args:
        asked: by what the page knows its question again.
    """
    return render(
        "photo/covered",
        asked=str(asked),
        sentence=wording.occlusion_sentence(occlusions),
        before=occlusions[0].scores[0],
        label=occlusions[0].label,
        colour=figures.coloured(occlusions[0].labels)[occlusions[0].labels.index(occlusions[0].label)][1],
        rows=[_row(occlusion, crop) for occlusion in occlusions],
    )


def refused_view(asked: Any) -> str:
    """Where there was no face to cover."""
    return render(
        "photo/covered", asked=str(asked), sentence="This face is no longer there: load the photo again.", rows=[]
    )


def _row(occlusion: Occlusion, crop: Any) -> dict[str, Any]:
    left, top, right, bottom = (100 * value for value in occlusion.box)
    return {
        "region": occlusion.region,
        "words": wording.occlusion_words(occlusion),
        "picture": jpeg_uri(crop, PIECE_SIDE),
        "box": {"left": left, "top": top, "width": right - left, "height": bottom - top},
        "after": occlusion.scores[1],
        "then": None if occlusion.label_after == occlusion.label else occlusion.label_after,
    }


def anchor_map(faces: list[FacePrediction], number: int) -> dict[str, Any] | None:
    """
    The map of one face, for templates/photo/anchor_map; None where its checkpoint has none.

    Args:
        faces: of the photo.
        number: of the face, from 1.
    """
    face = faces[number - 1]
    if face.anchor_place is None:
        return None
    known = face.explanation.anchors
    order = face.nearest_anchors(face.anchor_similarities.size)
    places, zoom = _spread(known.places, known.use)
    colours = dict(figures.coloured(face.labels))
    shown = [other for other in range(1, len(faces) + 1) if other == number or other <= MOST_FACES]
    shown.sort(key=lambda other: (other != number, other))  # the chosen one is where it is, others give way
    used = places[known.use >= wording.USED_ANCHOR]
    marks = _apart([zoom * faces[other - 1].anchor_place for other in shown], used)
    return {
        "sentence": wording.anchor_map_sentence(face),
        "faces": [
            {
                "number": other,
                "chosen": other == number,
                "words": f"Face {other}. {wording.nearest_anchors_sentence(faces[other - 1])}",
                "nearest": [
                    [round(value, 2) for value in _per_cent(places[face.labels.index(label), anchor]).values()]
                    for label, anchor, _ in faces[other - 1].nearest_anchors(wording.NEAREST_ANCHORS)
                ],
                **_per_cent(mark),
            }
            for other, mark in zip(shown, marks)
        ],
        "anchors": [
            {
                "name": f"{label} {anchor}",
                "words": wording.anchor_words(face, label, anchor, rank),
                "colour": colours[label],
                "rank": rank if rank <= wording.NEAREST_ANCHORS else None,
                "used": bool(known.use[face.labels.index(label), anchor] >= wording.USED_ANCHOR),
                **_per_cent(places[face.labels.index(label), anchor]),
            }
            for rank, (label, anchor, _) in enumerate(order, start=1)
        ],
        "names": [
            {"label": label, "above": _hides_a_face(place, np.array(marks)), **_per_cent(place)}
            for label, row, own in zip(face.labels, known.use, places)
            if row.max() >= wording.USED_ANCHOR
            for place in [own[row.argmax()]]
        ],
    }


def _spread(places: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, float]:
    """Places (N, K, 2) with those in use spread over the map and the others within its rim; by how much they were."""
    used = use >= wording.USED_ANCHOR
    radius = np.linalg.norm(places, axis=-1)
    farthest = float(radius[used].max()) if used.any() else 0.0
    zoom = REACH / farthest if farthest > 0 else 1.0
    at_rim = RIM / np.maximum(radius, 1e-9)
    return places * np.minimum(zoom, np.where(used, zoom, at_rim))[..., None], zoom


def _apart(places: list[np.ndarray], anchors: np.ndarray) -> list[np.ndarray]:
    """
    Places of faces: the first as it is, each other moved as little as it takes to cover no mark before it and none of
    these anchors (U, 2).
    """
    marks = [places[0]]
    for place in places[1:]:
        taken = [*marks, *anchors]
        free = (
            place + MARK * np.array(step)
            for ring in range(len(taken) + 1)
            for step in itertools.product(range(-ring, ring + 1), repeat=2)
            if max(map(abs, step)) == ring
        )
        marks.append(next(mark for mark in free if all(np.abs(mark - other).max() >= 0.99 * MARK for other in taken)))
    return marks


def _hides_a_face(place: np.ndarray, faces: np.ndarray) -> bool:
    """Whether an anchor's name, written below its place, would meet the mark of one of the faces (M, 2)."""
    across, down = np.abs(faces[:, 0] - place[0]), place[1] - faces[:, 1]
    return bool(((across < NAME[0]) & (down > 0) & (down < NAME[1])).any())


def _per_cent(place: np.ndarray) -> dict[str, float]:
    """A place in [-1, 1], y upwards, as per cent from the left and the top."""
    x, y = place.clip(-1, 1)
    return {"left": float(50 + 50 * x), "top": float(50 - 50 * y)}
