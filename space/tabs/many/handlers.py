"""Many photos at once, a few after the other: results, thumbnails, and why others were not read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grefel_hf import FacialExpressionPredictor, PhotoPrediction, faces_table
from grefel_hf.faces.photos import Photo, PhotoError
from grefel_hf.spreadsheets import csv_text

from ... import sentences as wording
from ...archives import UploadedPhoto, too_many, uploaded_photos
from ...data_uris import jpeg_uri
from ...hardware import in_turns, on_gpu
from ...limits import MAX_PHOTOS
from ...uploads import open_photo, refuse, uploaded_file

PHOTOS_PER_CHUNK = 4  # in memory at once
THUMBNAIL_SIDE = 192


@dataclass
class Batch:
    """What is known of a set so far: results and thumbnails by number of the photo, and why others were not read."""

    photos: list[UploadedPhoto]
    results: dict[int, PhotoPrediction] = field(default_factory=dict)
    thumbnails: dict[int, str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return len(self.results) + len(self.problems)

    def csv(self) -> str:
        """One row per face; see `faces_table`."""
        return csv_text(faces_table(list(self.results.values())))


class ManyPhotosHandlers:
    """The functions behind the tab and its endpoint. They keep nothing between calls."""

    def __init__(self, predictor: FacialExpressionPredictor):
        self._predict = on_gpu(predictor.__call__)

    def many_photos(self, photos: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str, list[dict[str, str]]]:
        """
        Recognise the facial expressions in a set of photos at once. For many files; one photo has more detail in
        predict.

        Args:
            photos: up to 50 image files (JPEG, PNG, WebP, ...), or zip files of them.

        Returns:
            Photos: name and faces of each photo that was read, with box, label, score and confidence of each face, and
                notes of what was done to it (turned back, its damaged end left out).
            CSV: one row per face with all distributions and confidences.
            Not read: name and reason of every file that could not be read.
        """
        *_, batch = self.analyse(photos)
        table = [
            {
                "name": photo.source,
                "notes": list(photo.notes),
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
        problems = [{"name": batch.photos[number].name, "reason": reason} for number, reason in batch.problems.items()]
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
            raise too_many(len(photos))
        batch = Batch(uploaded_photos([uploaded_file(photo) for photo in photos]))
        yield batch
        yield from in_turns(self._fill(batch))

    def _fill(self, batch: Batch) -> Iterator[Batch]:
        for start in range(0, len(batch.photos), PHOTOS_PER_CHUNK):
            read: dict[int, Photo] = {}
            for number, photo in enumerate(batch.photos[start : start + PHOTOS_PER_CHUNK], start):
                try:
                    read[number] = open_photo(photo.path)
                except PhotoError as error:
                    batch.problems[number] = wording.photo_error(str(error), photo.path)
            for (number, photo), result in zip(read.items(), self._predict([photo.image for photo in read.values()])):
                notes = (*photo.notes, *result.notes)
                batch.results[number] = replace(result, source=batch.photos[number].name, notes=notes)
                batch.thumbnails[number] = jpeg_uri(photo.image, THUMBNAIL_SIDE)
            yield batch
