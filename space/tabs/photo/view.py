"""What is seen of one photo: its faces boxed, and everything about each face, as data for templates/photo."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from grefel_hf.comparison import compare_balancing
from grefel_hf.results import DISTRIBUTIONS, FacePrediction, PhotoPrediction, faces_table, right_in_100
from grefel_hf.spreadsheets import csv_text

from ... import figures
from ... import sentences as wording
from ...data_uris import PHOTO_SIDE, csv_uri, jpeg_uri, json_uri
from ...measured import Coverage
from ...rendering import render
from .reasons import anchor_map

STRIP_SIDE = 96  # pixels
HEAD_SIDE = 240
# In per cent of the photo: a box so near to its top or right edge carries its word inside or leftwards.
NEAR_TOP, NEAR_RIGHT = 8, 60


def empty_view(labels: tuple[str, ...]) -> str:
    """Before there is a photo."""
    return render("photo/empty", classes=figures.coloured(labels))


def photo_view(image: Image.Image, photo: PhotoPrediction) -> str:
    """The upright photo with a numbered box on every face, and the strip of faces below it."""
    return render(
        "photo/photo",
        picture=jpeg_uri(image, PHOTO_SIDE),
        ratio=photo.width / photo.height,
        found=wording.faces_found(photo),
        notes=wording.notes(photo),
        chosen=first_chosen(photo),
        faces=[_boxed(face, number, photo) for number, face in enumerate(photo.faces, start=1)],
        name=f"{Path(photo.source or 'photo').stem}-faces",
        title=wording.report_title(photo.source or "a photo"),
        files={"json": json_uri(photo.to_dict()), "csv": csv_uri(csv_text(faces_table([photo])))},
    )


def faces_view(photo: PhotoPrediction, unsure: Coverage | None = None) -> str:
    """A panel for each face: the answer first, then how it came about. `unsure`: see `caution`."""
    if not photo.faces:
        return render("photo/no_face", detector=photo.detector)
    count = len(photo.faces)
    panels = [
        render("photo/face", number=number, count=count, map=anchor_map(photo.faces, number), **_panel(face, unsure))
        for number, face in enumerate(photo.faces, start=1)
    ]
    return render("photo/faces", panels=panels, chosen=first_chosen(photo))


def first_chosen(photo: PhotoPrediction) -> int:
    """The number of the face whose panel is open at first: the first that has an answer, or the first."""
    return next((number for number, face in enumerate(photo.faces, start=1) if face.is_answered), 1)


def _boxed(face: FacePrediction, number: int, photo: PhotoPrediction) -> dict[str, Any]:
    left, right = (_percentage(value, photo.width) for value in face.box[::2])
    top, bottom = (_percentage(value, photo.height) for value in face.box[1::2])
    return {
        "number": number,
        "word": wording.answer_word(face),
        "right": right_in_100(face),
        "colour": figures.answer_colour(face),
        "picture": jpeg_uri(face.crop, STRIP_SIDE),
        "tag": f"{'gf-inside ' if top < NEAR_TOP else ''}{'gf-leftwards' if left > NEAR_RIGHT else ''}".strip(),
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
    }


def _percentage(value: float, side: int) -> float:
    """A coordinate in per cent of the photo; boxes may reach beyond it, the page shows the part inside."""
    return 100 * min(max(value / side, 0.0), 1.0)


def _panel(face: FacePrediction, unsure: Coverage | None) -> dict[str, Any]:
    """What photo/face shows; `setups` is empty where the model has no balancing, `anchors` None where it has none."""
    panel = {
        "face": face,
        "colour": figures.answer_colour(face),
        "classes": figures.coloured(face.labels),
        "picture": jpeg_uri(face.crop, HEAD_SIDE),
        "crop": figures.crop(face),
        "attention": wording.attention_sentence(face),
        "landmarks": None if face.landmarks is None else json.dumps(face.landmarks.round(3).tolist()),
        "word": wording.answer_word(face),
        "right": right_in_100(face),
        "certainty": wording.certainty_line(face),
        "sentences": wording.answer_sentences(face),
        "balancing": wording.balancing_sentence(face),
        "disagree": wording.parts_disagree(face),
        "warning": wording.caution(face, unsure),
        "columns": {part: figures.column(face, part) for part in DISTRIBUTIONS if getattr(face, part) is not None},
        "setups": [],
    }
    if face.correction is None:
        return panel
    setups = compare_balancing(face)
    return panel | {
        "confidences": _confidences(face),
        "setups": [
            figures.Column(wording.setup_name(setup), list(setup.distribution), face.labels.index(setup.label))
            for setup in setups
        ],
        "setup_confidences": [setup.confidence for setup in setups],
        "comparison": wording.comparison_sentence(setups),
        "anchors": None if face.anchor_similarities is None else _anchors(face),
        "nearest_anchors": None if face.anchor_similarities is None else wording.nearest_anchors_sentence(face),
    }


def _confidences(face: FacePrediction) -> list[dict[str, Any]]:
    """The confidence of each part and how much it counts for in the answer, None for those that are joined ones."""
    shares = face.shares()
    return [
        {"name": name, "meaning": wording.PART_MEANINGS[part], "value": value, "share": shares.get(part)}
        for part, name in wording.PART_NAMES.items()
        if (value := face.confidences.get(part)) is not None
    ]


def _anchors(face: FacePrediction) -> dict[str, Any]:
    """Similarity to every anchor, classes by anchors, the strongest framed."""
    similarities = face.anchor_similarities  # (N, K)
    most = float(similarities.max())
    strongest = {(label, number) for label, number, _ in face.nearest_anchors(wording.NEAREST_ANCHORS)}

    def cell(label: str, number: int, value: float) -> figures.HeatCell:
        level = value / most if most > 0 else 0.0
        tip = wording.anchor_tip(label, number, value)
        return figures.HeatCell(level, f"{100 * value:.1f}", tip, framed=(label, number) in strongest)

    rows = [
        {
            "label": label,
            "colour": colour,
            "cells": [cell(label, number, value) for number, value in enumerate(row.tolist())],
            "sum": float(row.sum()),
        }
        for (label, colour), row in zip(figures.coloured(face.labels), similarities)
    ]
    return {"count": similarities.shape[1], "most": most, "rows": rows}
