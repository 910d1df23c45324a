"""What visitors take along: pictures, figures and reports, made in their browser of what it shows."""

import csv
import io
import json
from urllib.parse import unquote

import pytest
from PIL import Image, ImageChops

from grefel_hf import faces_table
from tests.helpers.page_driver import NO_BROWSER, open_tab, start_camera, stop_camera, upload
from tests.helpers.video_clips import scene, write_clip

pytestmark = NO_BROWSER


def downloaded(page, view: str, link: str) -> tuple[str, bytes]:
    """Name and content of the file that a click on this link or button of a view saves."""
    with page.expect_download() as download:
        page.locator(f"{view} .gf-take {link}").click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def report(page, view: str, folder):
    """A view's report, opened by itself without a network, and its name."""
    name, content = downloaded(page, view, "[data-save=report]")
    file = folder / name
    file.write_bytes(content)
    tab = page.context.browser.new_context(offline=True, viewport={"width": 900, "height": 1000}).new_page()
    tab.goto(file.as_uri())
    assert "model grefel-small" in tab.locator("header").inner_text()
    assert tab.locator("button, label, details, script").count() == 0
    return name, tab


def test_a_photo_as_picture_figures_and_report(page, two_faces, predictor, tmp_path):
    upload(page, two_faces)
    page.locator("[data-panel='1']").wait_for()
    view, found = "#gf-photo-view", predictor(two_faces)
    name, content = downloaded(page, view, "[data-save=png]")
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert name == "two-faces.png" and picture.size == (found.width, found.height)
    # Drawn in are boxes and words, at the faces, and nothing else is different beyond JPEG's losses.
    original = Image.open(two_faces).convert("RGB")
    difference = ImageChops.difference(picture, original).convert("L").point(lambda value: 255 * (value > 100))
    left, top, right, bottom = difference.getbbox()
    boxes = [face.box for face in found.faces]
    assert left == pytest.approx(min(box[0] for box in boxes), abs=6)
    assert bottom == pytest.approx(max(box[3] for box in boxes), abs=6)
    name, content = downloaded(page, view, "[download$=json]")
    assert name == "two-faces.json" and json.loads(content) == json.loads(
        json.dumps(found.to_dict() | {"source": "two.png"})
    )
    name, content = downloaded(page, view, "[download$=csv]")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert name == "two-faces.csv" and list(rows[0]) == list(faces_table([found]).columns) and len(rows) == 2
    name, tab = report(page, view, tmp_path)
    assert name == "two-faces.html" and tab.title() == "Facial expressions in two.png"
    assert tab.locator(".gf-face h2").all_inner_texts() == [face.label for face in found.faces]
    assert tab.locator(".gf-photo .gf-box:visible").count() == 2
    tab.context.close()


def test_a_photo_after_another_has_its_own_faces_only(page, astronaut_file, two_faces):
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file), str(two_faces)])
    page.locator("#gf-many-summary span").first.wait_for()
    page.locator(".gf-many-photo").nth(0).click()
    page.locator(".gf-kicker").get_by_text("Face 1 of 1").wait_for()
    page.get_by_role("button", name="Back to all photos").click()
    page.locator(".gf-many-photo").nth(1).click()
    page.locator(".gf-entry[data-face='2']").click()
    page.locator(".gf-entry[data-face='1']").click()
    assert page.locator("#gf-chosen .gf-kicker").inner_text() == "Face 1 of 2"


def test_many_photos_as_sheet_figures_and_report(page, astronaut_file, two_faces, tmp_path):
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file), str(two_faces)])
    page.locator("#gf-many-summary span").first.wait_for()
    name, content = downloaded(page, "#gf-many-view", "[data-save=png]")
    assert name == "faces.png" and Image.open(io.BytesIO(content)).size == (480, 360)
    name, content = downloaded(page, "#gf-many-view", "[download$=json]")
    photos = json.loads(content)
    assert [(photo["source"], len(photo["faces"])) for photo in photos] == [(astronaut_file.name, 1), ("two.png", 2)]
    assert photos[0]["faces"][0]["corrected"]["happiness"] > 0.5
    name, tab = report(page, "#gf-many-view", tmp_path)
    assert tab.locator(".gf-many-photo").count() == 2 and "3 faces in 2 photos" in tab.locator("main").inner_text()
    tab.context.close()


def test_a_video_as_picture_figures_and_report(page, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20 + index, size=(300, 120)) for index in range(15)])
    open_tab(page, "Video")
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(clip))
    page.locator("#gf-video-upload video").wait_for(state="attached")
    page.locator("#gf-video-start").click()
    page.wait_for_function("() => document.querySelector('#gf-clip video')?.videoWidth === 300")
    name, content = downloaded(page, "#gf-video-view", "[data-save=png]")
    assert name == "timelines.png" and Image.open(io.BytesIO(content)).size == (300, 120)
    rows = json.loads(downloaded(page, "#gf-video-view", "[download$=json]")[1])
    assert [row["person"] for row in rows] == [1] * len(rows) and rows[0]["time"] == 0
    _, tab = report(page, "#gf-video-view", tmp_path)
    assert tab.locator(".gf-person svg polygon:visible").count() and "Click" not in tab.locator("main").inner_text()
    tab.context.close()


def test_what_the_camera_saw_can_be_taken_along(page, tmp_path):
    open_tab(page, "Live")
    start_camera(page)
    page.locator("#gf-camera .gf-box").wait_for()
    name, content = downloaded(page, "#gf-camera", "[data-save=png]")
    assert name == "live.png" and Image.open(io.BytesIO(content)).width == 640
    stop_camera(page)
    assert page.locator("#gf-camera [data-save=png]").is_disabled()  # there is no picture any more
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "#gf-camera", "[download$=csv]")[1].decode())))
    assert rows[0]["time"] == "0" and rows[0]["label"] == "happiness" and float(rows[0]["happiness"]) > 0.5
    assert json.loads(unquote(downloaded(page, "#gf-camera", "[download$=json]")[1]))[0]["person"] == 1
    _, tab = report(page, "#gf-camera", tmp_path)
    assert tab.locator(".gf-live h2").inner_text() == "happiness"
    tab.context.close()
