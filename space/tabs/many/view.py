"""What is seen of a set of photos: a table and a CSV file, as data for templates/many."""

from ... import figures
from ...data_uris import csv_uri
from ...rendering import render
from .handlers import Batch


def batch_view(batch: Batch) -> str:
    """The photos that were read, in order; the CSV file once all are done."""
    whole = batch.done == len(batch.names)
    return render(
        "many/batch",
        total=len(batch.names),
        done=batch.done,
        csv=csv_uri(batch.csv()) if whole else None,
        faces=sum(len(photo.faces) for photo in batch.results.values()),
        photos=[
            {
                "number": number,
                "name": batch.names[number],
                "thumbnail": batch.thumbnails[number],
                "faces": [(face, figures.answer_colour(face)) for face in photo.faces],
            }
            for number, photo in sorted(batch.results.items())
        ],
        problems=[(batch.names[number], reason) for number, reason in batch.problems.items()],
    )
