"""Sets of photos."""

from grefel_hf import FacialExpressionPredictor, PhotoPrediction
from space import limits
from space.tabs.many.handlers import Batch, ManyPhotosHandlers
from space.tabs.many.view import batch_view
from tests.helpers.tiny import FILE_DATA, tiny_endpoint


def test_too_many_photos_are_refused(tiny_app, astronaut_file):
    path = tiny_app.upload(astronaut_file)
    event, message = tiny_endpoint(tiny_app, "many_photos", [[{"path": path, **FILE_DATA}] * (limits.MAX_PHOTOS + 1)])
    assert event == "error" and f"the limit is {limits.MAX_PHOTOS}" in message


def test_what_was_done_to_a_photo_is_said(tiny_checkpoint, astronaut, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    astronaut.save(whole)
    cut.write_bytes(whole.read_bytes()[:-2])
    handlers = ManyPhotosHandlers(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="none"))
    files = [{"path": str(file)} for file in (whole, cut)]
    table, _, problems = handlers.many_photos(files)
    assert [photo["notes"] for photo in table] == [[], ["damaged: its end is missing"]] and not problems
    *_, batch = handlers.analyse(files)
    assert batch_view(batch).count("Damaged: its end is missing.") == 1


def test_nobody_gives_a_table_with_its_columns():
    header, *rows = Batch([], {0: PhotoPrediction("grey.png", 8, 8, "hog", [], ("calm", "glad"))}).csv().splitlines()
    assert header.startswith("source,face,") and "corrected_glad" in header and not rows
