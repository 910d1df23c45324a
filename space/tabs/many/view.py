"""What is seen of a set of photos: a card for each, as data for templates/many; photos.js sums them up."""

import json

from grefel_hf import PhotoPrediction, faces_table
from grefel_hf.results import right_in_100
from grefel_hf.spreadsheets import csv_text

from ... import figures
from ... import sentences as wording
from ...rendering import render
from .handlers import Batch


def batch_view(batch: Batch) -> str:
    """The photos that were read, in order."""
    header, _ = _table(PhotoPrediction(None, 0, 0, "", [], next((r.labels for r in batch.results.values()), ())))
    return render(
        "many/batch",
        total=len(batch.photos),
        done=batch.done,
        header=header,
        photos=[
            {
                "number": number,
                "file": batch.photos[number],
                "thumbnail": batch.thumbnails[number],
                "faces": [_face(face) for face in photo.faces],
                "notes": wording.notes(photo),
                "confidence": min((face.confidences["corrected"] for face in photo.faces), default=2),
                "rows": _table(photo)[1],
                "json": json.dumps(_values(photo)) if batch.done == len(batch.photos) else "",
            }
            for number, photo in sorted(batch.results.items())
        ],
        problems=[(batch.photos[number], reason) for number, reason in batch.problems.items()],
    )


def _face(face) -> dict:
    return {
        "word": wording.answer_word(face),
        "right": right_in_100(face),
        "colour": figures.answer_colour(face),
        "certainty": wording.short_certainty(face),
        "unsure": wording.is_unsure(face),
    }


def _values(photo: PhotoPrediction) -> dict:
    """As JSON, without what has hundreds of numbers a face; the photo tab gives that, too."""
    values = photo.to_dict()
    for face in values["faces"]:
        for name in ("anchor_similarities", "landmarks", "attention_map", "attention_difference"):
            face.pop(name)
    return values


def _table(photo: PhotoPrediction) -> tuple[str, str]:
    """The header and the rows of a photo's faces as CSV."""
    header, _, rows = csv_text(faces_table([photo])).partition("\n")
    return header, rows
