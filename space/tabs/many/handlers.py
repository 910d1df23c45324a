"""Many photos at once: a row for each face, a CSV file, and a thumbnail that opens the photo in the photo view."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from grefel_hf import FacialExpressionPredictor, PhotoPrediction, faces_table
from grefel_hf.faces.photos import PhotoError
from grefel_hf.palette import class_colours

from ... import figures
from ... import sentences as wording
from ...hardware import on_gpu
from ...images import jpeg_uri
from ...limits import MAX_PHOTOS
from ...uploads import open_photo, refuse, uploaded_file

PHOTOS_PER_CHUNK = 4  # in memory at once
THUMBNAIL_SIDE = 112


@dataclass
class Batch:
    """What is known of a set so far: results and thumbnails by number of the photo, and why others were not read."""

    names: list[str]
    results: dict[int, PhotoPrediction] = field(default_factory=dict)
    thumbnails: dict[int, str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return len(self.results) + len(self.problems)

    def csv(self) -> str:
        """One row per face; see `faces_table`."""
        return faces_table(list(self.results.values())).to_csv(index=False)


class ManyPhotosHandlers:
    """The functions behind the tab and its endpoint. They keep nothing between calls."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predict = on_gpu(predictor.__call__)

    def many_photos(self, photos: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str, list[dict[str, str]]]:
        """
        Recognise the facial expressions in a set of photos at once. For many files; one photo has more detail in
        predict.

        Args:
            photos: up to 50 image files (JPEG, PNG, WebP, ...).

        Returns:
            Photos: name and faces of each photo that was read, with box, label, score and confidence of each face.
            CSV: one row per face with all distributions and confidences.
            Not read: name and reason of every file that could not be read.
        """
        *_, batch = self.analyse(photos)
        table = [
            {
                "name": photo.source,
                "faces": [
                    {
                        "box": list(face.box),
                        "label": face.label,
                        "score": face.score,
                        "confidence": face.confidences["corrected"],
                    }
                    for face in photo.faces
                ],
            }
            for photo in batch.results.values()
        ]
        problems = [{"name": batch.names[number], "reason": reason} for number, reason in batch.problems.items()]
        return table, batch.csv(), problems

    def analyse(self, photos: Sequence[dict[str, Any]] | None) -> Iterator[Batch]:
        """
        The set as it fills, a few photos more each time.

        Raises:
            gr.Error: there is no photo, or there are too many.
        """
        if not photos:
            raise refuse("There is no photo yet: upload some.", "No photo")
        if len(photos) > MAX_PHOTOS:
            raise refuse(f"These are {len(photos)} photos, the limit is {MAX_PHOTOS} at once.", "Too many photos")
        paths = [uploaded_file(photo) for photo in photos]
        batch = Batch([Path(path).name for path in paths])
        yield batch
        for start in range(0, len(paths), PHOTOS_PER_CHUNK):
            images: dict[int, Image.Image] = {}
            for number, path in enumerate(paths[start : start + PHOTOS_PER_CHUNK], start):
                try:
                    images[number] = open_photo(path)
                except PhotoError as error:
                    batch.problems[number] = wording.photo_error(str(error), path)
            for number, result in zip(images, self._predict(list(images.values()))):
                batch.results[number] = replace(result, source=batch.names[number])
                batch.thumbnails[number] = jpeg_uri(images[number], THUMBNAIL_SIDE)
            yield batch


def batch_view(batch: Batch) -> str:
    """The set as a table, a row per photo that opens it, with progress as long as some are missing."""
    total = len(batch.names)
    faces = sum(len(photo.faces) for photo in batch.results.values())
    if batch.done < total:
        head = figures.progress_bar(batch.done, total, f"{batch.done} of {wording.counted(total, 'photo')}")
    else:
        head = (
            f'<div class="gf-many-head"><p role="status">{wording.counted(faces, "face")} in '
            f"{wording.counted(len(batch.results), 'photo')}. Choose a photo to see everything about it.</p>"
            f"{download_link(batch.csv(), 'faces.csv')}</div>"
        )
    rows = "".join(_row(batch, number) for number in range(total) if number in batch.results)
    return f'{head}<div class="gf-many" role="list">{rows}</div>{_problems(batch)}'


def download_link(csv: str, name: str) -> str:
    """A CSV file inside the page: nothing is written on the server."""
    content = base64.b64encode(csv.encode()).decode()
    return f'<a class="gf-download" download="{name}" href="data:text/csv;base64,{content}">Download CSV</a>'


def _row(batch: Batch, number: int) -> str:
    photo = batch.results[number]
    name = escape(batch.names[number])
    faces = "".join(
        f"<li>{figures.swatch(class_colours(face.labels)[face.label])}{escape(face.label)} "
        f"<b>{wording.percent(face.score)}</b> <small>{wording.confidence_words(face.confidences['corrected'])}</small>"
        "</li>"
        for face in photo.faces
    )
    return (
        f'<div role="listitem"><button type="button" class="gf-many-photo" data-photo="{number}" '
        f'aria-label="Open {name}"><span><img src="{batch.thumbnails[number]}" alt=""></span>'
        f"<span><strong>{name}</strong>{f'<ul>{faces}</ul>' if faces else '<small>no face found</small>'}"
        "</span></button></div>"
    )


def _problems(batch: Batch) -> str:
    if not batch.problems:
        return ""
    items = "".join(
        f"<li><b>{escape(batch.names[number])}</b> {escape(reason)}</li>" for number, reason in batch.problems.items()
    )
    return f'<section class="gf-problems"><h3>Not read</h3><ul>{items}</ul></section>'
