"""The page in a real browser: a photo goes in, boxes and figures come out, faces can be chosen, mistakes are told."""

import base64
import io
import json
import re
import zipfile
from itertools import combinations
from urllib.parse import unquote

import pytest
from PIL import Image

from space import limits
from tests.helpers.page_driver import NO_BROWSER, open_page, open_tab, start_camera, stop_camera, upload
from tests.helpers.photos_of_faces import mosaic
from tests.helpers.video_clips import scene, write_clip

pytestmark = NO_BROWSER


def shown(page) -> list[str]:
    """Numbers of the faces whose figures are visible."""
    return page.locator("[data-panel]:visible").evaluate_all("panels => panels.map(panel => panel.dataset.panel)")


def test_a_photo_gets_a_box_and_the_predictors_figures(page, predictor, astronaut_file):
    upload(page, astronaut_file)
    panel = page.locator("[data-panel='1']")
    panel.wait_for()
    box = page.locator(".gf-box")
    assert box.count() == 1 and box.bounding_box()["width"] > 20
    face = predictor(astronaut_file).faces[0]
    assert panel.locator("h2").inner_text() == face.label
    assert box.inner_text() == face.label
    assert not panel.locator(".gf-four").first.is_visible()  # the reasons are folded: the parts agree
    panel.locator("summary").click()
    assert panel.locator(".gf-four").first.is_visible()
    assert f"The primary head saw {face.labels[int(face.primary.argmax())]}" in panel.inner_text()
    assert panel.locator(".gf-large tbody tr").count() == len(face.labels)
    assert panel.locator(".gf-four:not(.gf-setups) thead th").count() == 5
    assert panel.locator(".gf-setups thead th").count() == 5
    assert panel.locator(".gf-heat tbody td:not(.gf-number)").count() == face.anchor_similarities.size
    assert panel.locator(".gf-confidence tbody tr").count() == len(face.confidences)


def test_bars_are_as_long_as_their_probabilities(page, predictor, astronaut_file):
    upload(page, astronaut_file)
    page.locator("[data-panel='1']").wait_for()
    lengths = page.locator("[data-panel='1'] .gf-large .gf-track").evaluate_all(
        "tracks => tracks.map(t => t.firstElementChild.getBoundingClientRect().width / t.getBoundingClientRect().width)"
    )
    assert lengths == pytest.approx(predictor(astronaut_file).faces[0].corrected.tolist(), abs=0.02)


def test_faces_are_chosen_by_box_strip_and_keyboard(page, two_faces):
    upload(page, two_faces)
    page.locator("[data-panel='1']").wait_for()
    assert shown(page) == ["1"]
    page.locator(".gf-box[data-face='2']").click()
    assert shown(page) == ["2"]
    page.locator(".gf-entry[data-face='1']").click()
    assert shown(page) == ["1"]
    page.locator(".gf-box[data-face='2']").focus()
    page.keyboard.press("Enter")
    assert shown(page) == ["2"]
    assert page.locator("[data-face][aria-pressed='true']").evaluate_all("all => all.map(b => b.dataset.face)") == [
        "2",
        "2",
    ]


def test_a_result_fits_one_screen_and_has_the_focus(chromium, address, two_faces):
    tab = open_page(chromium, address, width=1280, height=800)
    upload(tab, two_faces)
    tab.locator("[data-panel='1']").wait_for()
    ends = tab.locator("#gf-chosen, #gf-another").evaluate_all("all => all.map(e => e.getBoundingClientRect().bottom)")
    assert len(ends) == 2 and max(ends) <= 800
    tab.wait_for_function("() => document.activeElement.matches('#gf-chosen h2')")
    tab.context.close()


def test_number_and_word_stand_on_one_label(page, two_faces):
    upload(page, two_faces)
    label, word = page.locator(".gf-box > span").first, page.locator(".gf-box i > *").first
    label.wait_for()
    outer, inner = label.bounding_box(), word.bounding_box()
    assert outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"]
    assert outer["x"] < inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"]


@pytest.mark.parametrize(("width", "faces"), [(1280, 3), (390, 8)], ids=["wide", "phone"])
def test_words_do_not_cover_each_other(chromium, address, astronaut, tmp_path, width, faces):
    mosaic([astronaut.crop((150, 30, 310, 230))] * faces, columns=faces).save(tmp_path / "row.png")
    tab = open_page(chromium, address, width=width)
    upload(tab, tmp_path / "row.png")
    tab.locator("[data-panel='1']").wait_for()
    boxes, labels = tab.locator(".gf-box"), tab.locator(".gf-box > span")
    assert boxes.count() == faces
    assert all("happiness" in name for name in boxes.all_inner_texts())  # also where one sees a number alone

    def numbers_alone() -> list[str]:
        return tab.locator(".gf-box[data-place~=number]").evaluate_all("all => all.map(box => box.dataset.face)")

    def assert_all_readable():
        rooms = [label.bounding_box() for label in labels.all()]
        for one, other in combinations(rooms, 2):
            beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            assert beside or one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]

    assert bool(numbers_alone()) == (faces > 3)
    assert_all_readable()
    if numbers_alone():
        chosen = numbers_alone()[-1]
        tab.locator(f".gf-box[data-face='{chosen}']").click()
        tab.mouse.move(0, 0)
        assert chosen not in numbers_alone()  # the chosen one has its word, others give way
        assert_all_readable()
    assert tab.messages == []
    tab.context.close()


def test_attention_can_be_switched_off_for_all_faces(page, two_faces):
    upload(page, two_faces)
    page.locator("[data-panel='1'] summary").click()
    page.locator("[data-panel='1'] .gf-attention").wait_for()
    page.locator("[data-panel='1'] [data-layer='attention']").uncheck()
    assert not page.locator("[data-panel='1'] .gf-attention").is_visible()
    page.locator(".gf-entry[data-face='2']").click()
    assert not page.locator("[data-panel='2'] .gf-attention").is_visible()


def test_the_example_and_another_photo(page):
    page.locator("#gf-example").click()
    page.locator("[data-panel='1']").wait_for()
    page.locator("#gf-another").click()
    page.locator("#gf-upload input[type=file]").wait_for(state="attached")
    page.locator(".gf-classes").wait_for()
    assert shown(page) == []


def test_no_face_is_said_kindly(page, tmp_path):
    file = tmp_path / "grey.png"
    Image.new("RGB", (300, 200), "grey").save(file)
    upload(page, file)
    page.locator("#gf-no-face").wait_for()
    assert page.locator(".toast-body").count() == 0
    assert page.locator("#gf-photo-view img").is_visible()


def test_a_broken_file_is_told_in_place_and_the_next_photo_works(page, astronaut_file, tmp_path):
    file = tmp_path / "broken.jpg"
    file.write_text("no picture")
    upload(page, file)
    problem = page.locator("#gf-faces .gf-problem")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == "This photo cannot be read"
    assert "This file is not an image that can be read" in problem.inner_text()
    assert page.locator(".toast-body").count() == 0
    page.locator("#gf-upload input[type=file]").wait_for(state="attached")
    upload(page, astronaut_file)
    page.locator("[data-panel='1']").wait_for()


def test_what_was_wrong_is_on_the_screen_of_a_phone(chromium, address, tmp_path):
    file = tmp_path / "broken.jpg"
    file.write_text("no picture")
    tab = open_page(chromium, address, width=390, height=844)
    upload(tab, file)
    tab.wait_for_function(
        "() => { const box = document.querySelector('#gf-faces .gf-problem')?.getBoundingClientRect();"
        " return box && box.top >= 0 && box.bottom <= innerHeight + 1; }"
    )
    tab.context.close()


def test_a_webcam_picture_is_analysed(page):
    page.locator("#gf-upload [aria-label='Capture from camera']").click()
    page.get_by_text("Click to Access Webcam").click()
    # Before the first frame the button does nothing.
    page.wait_for_function("() => document.querySelector('#gf-upload video')?.videoWidth > 0")
    page.locator("#gf-upload [aria-label='capture photo']").click()
    page.locator("[data-panel='1']").wait_for()
    assert page.locator(".toast-body").count() == 0


def test_a_photo_is_pasted(page, astronaut):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    buffer = io.BytesIO()
    astronaut.save(buffer, "png")
    page.evaluate(COPY, base64.b64encode(buffer.getvalue()).decode())
    page.bring_to_front()  # a page without the focus may not read the clipboard
    page.locator("#gf-upload [aria-label='Paste from clipboard']").click()
    page.locator("[data-panel='1']").wait_for()
    assert "happiness" in page.locator("[data-panel='1'] h2").inner_text()


def test_two_uploads_at_once_in_one_tab_are_both_answered(page, astronaut_file, two_faces):
    upload(page, astronaut_file)
    open_tab(page, "Many photos")  # while the first is under way
    page.locator("#gf-files input[type=file]").set_input_files([str(two_faces)])
    page.locator(".gf-many-photo").wait_for()
    assert page.locator(".gf-many-photo li").count() == 2
    open_tab(page, "Photo")
    page.locator("[data-panel='1']").wait_for()
    assert page.locator(".gf-box").count() == 1


def test_live_frames_are_analysed_without_being_kept(page, uploads):
    before = set(uploads.rglob("*"))
    open_tab(page, "Live")
    start_camera(page)
    face = page.locator("#gf-live-view .gf-head h2")
    face.wait_for()
    assert "happiness" in face.inner_text()
    page.locator("#gf-live-view .gf-rate").filter(has_text="frames a second").wait_for()  # the second frame has come
    assert page.locator("#gf-live-view .gf-large tbody tr").count() == 8
    # A band for each class, in one piece or, where frames came late, in several.
    bands = page.locator("#gf-live-view .gf-timeline polygon").count()
    assert bands and bands % 8 == 0
    stop_camera(page)
    assert set(uploads.rglob("*")) == before


def csv_rows(page) -> list[str]:
    link = page.locator("#gf-many-view [download='faces.csv'][href^=data]")
    link.wait_for()
    return unquote(link.get_attribute("href").partition(",")[2]).strip().splitlines()


def test_many_photos_become_a_table_and_open_in_the_photo_tab(page, astronaut_file, two_faces, tmp_path):
    broken, archive = tmp_path / "broken.jpg", tmp_path / "photos.zip"
    broken.write_text("no picture")
    with zipfile.ZipFile(archive, "w") as content:
        content.write(two_faces, "holiday/two.png")
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(f) for f in (astronaut_file, broken, archive)])
    rows = csv_rows(page)
    assert len(rows) == 1 + 3 and rows[0].startswith("source,face,") and rows[-1].startswith("holiday/two.png,2,")
    assert "broken.jpg" in page.locator(".gf-problems").inner_text()
    assert page.locator("#gf-many-summary").inner_text().replace("\n", " ") == "3 faces in 2 photos: 3 happiness"
    page.get_by_role("button", name="Open holiday/two.png").click()
    page.locator(".gf-box[data-face='2']").wait_for()
    assert page.locator("#gf-photo-view").is_visible() and shown(page) == ["1"]
    page.get_by_role("button", name="Back to all photos").click()
    page.locator(".gf-many-photo").first.wait_for()


def test_a_removed_file_takes_its_own_card_with_it(page, astronaut_file, two_faces):
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file), str(two_faces)])
    assert len(csv_rows(page)) == 1 + 3
    page.locator("#gf-many-order").select_option("word")
    page.locator("#gf-files").get_by_role("button", name=re.compile("Remove")).first.click()
    page.locator("#gf-many-summary").filter(has_text="2 faces in 1 photo").wait_for()
    assert [row.split(",")[0] for row in csv_rows(page)[1:]] == ["two.png", "two.png"]
    page.locator(".gf-many-photo").click()
    page.locator(".gf-box[data-face='2']").wait_for()  # not the other photo


def test_cards_are_put_in_order_and_show_whole_photos(page, astronaut, two_faces, tmp_path):
    blurred = tmp_path / "blurred.png"
    astronaut.resize((170, 170)).resize(astronaut.size).save(blurred)
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(two_faces), str(blurred)])
    cards = page.locator(".gf-many-photo")
    page.locator("#gf-many-summary span").first.wait_for()
    # As uploaded first; by certainty afterwards, whatever the weights are; and back.
    page.evaluate("() => { document.querySelector('[data-number=\"1\"]').dataset.confidence = -1; }")
    assert cards.evaluate_all("all => all.map(card => card.dataset.number)") == ["0", "1"]
    page.locator("#gf-many-order").select_option("confidence")
    assert cards.evaluate_all("all => all.map(card => card.dataset.number)") == ["1", "0"]
    page.locator("#gf-many-order").select_option("number")
    assert cards.evaluate_all("all => all.map(card => card.dataset.number)") == ["0", "1"]
    wide = cards.first.locator("img")
    assert wide.evaluate("e => e.naturalWidth / e.naturalHeight") == pytest.approx(2, abs=0.05)
    assert wide.evaluate("e => getComputedStyle(e).objectFit") == "contain"


def test_a_face_more_costs_the_browser_little(page, astronaut, two_faces, tmp_path):
    six = tmp_path / "six.png"
    mosaic([astronaut] * 6, columns=3).save(six)
    nodes = []
    for file, last in ((two_faces, 2), (six, 6)):
        upload(page, file)
        page.locator(f".gf-box[data-face='{last}']").wait_for()
        nodes.append(page.evaluate("() => document.querySelectorAll('*').length"))
    assert nodes[1] - nodes[0] < 4 * 20  # a panel with all its figures has hundreds


def test_a_photo_over_the_limit_is_told_the_limit_of_photos(page, astronaut_file, tmp_path):
    file = tmp_path / "large.png"
    file.write_bytes(astronaut_file.read_bytes() + bytes(int(1e6 * limits.MAX_PHOTO_MB)))
    upload(page, file)
    page.locator("#gf-faces .gf-problem").filter(has_text=f"the limit is {limits.MAX_PHOTO_MB} MB").wait_for()


def test_a_video_gets_timelines_and_a_copy(page, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20 + index, size=(300, 120)) for index in range(15)])
    start_video(page, clip)
    page.locator("#gf-video-view .gf-person").wait_for()
    assert page.locator("#gf-video-view .gf-person").count() == 1
    assert "Person 1" in page.locator("#gf-video-view").inner_text()
    page.wait_for_function("() => document.querySelector('#gf-clip video')?.videoWidth === 300")
    csv = base64.b64decode(page.locator("#gf-video-view [download$=csv]").get_attribute("href").partition(",")[2])
    assert csv.startswith(b"frame,time,person,")
    slider = page.get_by_role("slider", name="Moment in the annotated copy, Person 1")
    slider.click(position={"x": slider.bounding_box()["width"] / 2, "y": 20})
    seconds = "() => document.querySelector('#gf-clip video').currentTime"
    assert page.evaluate(seconds) == pytest.approx(0.7, abs=0.05)  # the middle of a clip of 1.4 seconds
    for key, expected in (("ArrowLeft", 0.5), ("End", 1.4), ("PageDown", 1.26), ("Home", 0), ("ArrowUp", 0.2)):
        slider.press(key)
        assert page.evaluate(seconds) == pytest.approx(expected, abs=0.05), key
    assert slider.get_attribute("aria-valuetext") == "0.2 seconds: happiness"
    mark = slider.evaluate("e => parseFloat(getComputedStyle(e, '::after').left) / e.clientWidth")
    assert mark == pytest.approx(0.2 / 1.4, abs=0.01)
    slider.press("Enter")
    page.wait_for_function("() => !document.querySelector('#gf-clip video').paused")


# The moments of a timeline, and the parts of it that are shaded; in per cent of its width.
SHADED = """
() => [...document.querySelectorAll("#gf-video-view .gf-bands .gf-veils > span")]
  .map((veil) => [parseFloat(veil.style.left), parseFloat(veil.style.width)])
"""


def test_a_timeline_is_shaded_where_there_is_no_answer(page, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20, size=(300, 120))] * 20)
    start_video(page, clip)
    line = page.locator("#gf-video-view [data-moments]")
    line.wait_for()
    assert page.evaluate(SHADED) == []
    left, width, right, word = json.loads(line.get_attribute("data-moments"))[2]
    assert right > 40 and word == "happiness"
    # Two moments that follow each other cannot be read, a later one is less certain, whatever the weights are.
    page.evaluate(
        "() => { const line = document.querySelector('[data-moments]'), moments = JSON.parse(line.dataset.moments);"
        " moments[2][2] = moments[3][2] = 0; moments[6][2] = 45; line.dataset.moments = JSON.stringify(moments); }"
    )
    for least, pieces in ((50, 2), (40, 1)):
        page.locator("#gf-strictness").fill(str(least))
        shaded = page.evaluate(SHADED)
        assert len(shaded) == pieces and shaded[0] == pytest.approx([left, 2 * width], abs=0.05)
        answered = 10 - 1 - pieces
        assert page.locator("[data-answered]").inner_text() == f"answered at {answered} of 10 moments"
    assert page.locator("#gf-video-view .gf-legend").get_by_text("no answer").is_visible()


def test_a_video_can_be_cancelled_and_leaves_nothing(page, astronaut, tmp_path, uploads):
    before = set(uploads.rglob("annotated*"))
    pictures = [scene(astronaut, 20, 120, 220, size=(400, 120)) for _ in range(20)] * 20  # forty seconds of video
    start_video(page, write_clip(tmp_path / "long.mp4", pictures))
    page.locator("#gf-video-view progress").wait_for()
    page.wait_for_function("() => document.activeElement.matches('#gf-video-cancel')")
    assert " of 40.0 seconds analysed" in page.locator("#gf-video-view").inner_text()
    open_tab(page, "Photo")  # others are answered while it runs
    page.locator("#gf-example").click()
    page.locator("[data-panel='1']").wait_for()
    open_tab(page, "Video")
    page.locator("#gf-video-view progress").wait_for()
    page.locator("#gf-video-cancel").press("Enter")
    page.locator("#gf-video-view").get_by_text("Cancelled").wait_for()
    page.wait_for_function("() => document.activeElement.matches('#gf-video-start')")
    page.wait_for_timeout(2000)
    assert page.locator("#gf-video-view").get_by_text("Cancelled").is_visible()  # nothing comes after it
    assert page.locator("#gf-video-start").is_enabled()
    assert set(uploads.rglob("annotated*")) == before


def test_a_broken_video_is_told(page, tmp_path):
    file = tmp_path / "broken.mp4"
    file.write_bytes(b"no video" * 100)
    start_video(page, file)
    # Chromium itself says that it cannot play the file; this comes from the server.
    page.locator("#gf-video-view .gf-problem").filter(has_text="This file is not a video that can be read").wait_for()
    assert page.locator("#gf-video-start").is_enabled()


def start_video(page, clip) -> None:
    open_tab(page, "Video")
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(clip))
    page.locator("#gf-video-upload video").wait_for(state="attached")
    page.locator("#gf-video-start").click()


def test_about_is_of_the_model_that_runs(chromium, tiny_app):
    tab = open_page(chromium, tiny_app.url)
    open_tab(tab, "About")
    text = tab.locator(".gf-about").inner_text()
    assert "On this page: the model checkpoint" in text  # a folder's name, and not where it lies
    assert "bundled" not in text and "grefel-small" not in text
    tab.context.close()


def test_about_shows_what_was_measured_and_how_to_use_it(page, address):
    open_tab(page, "About")
    page.locator(".gf-about").wait_for()
    assert page.locator("#gf-about .gf-figures").count() == 1
    assert f"{address}gradio_api/upload" in page.locator(".gf-code").first.inner_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling_and_text_stands_out(chromium, address, astronaut, tmp_path, dark):
    file = tmp_path / "six.png"
    mosaic([astronaut] * 6, columns=3).save(file)
    tab = open_page(chromium, address, width=390, height=844, dark=dark)
    upload(tab, file)
    tab.locator("[data-panel='1']").wait_for()
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 390
    contrasts = tab.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    for name in ("Live", "Video", "Many photos", "About"):
        open_tab(tab, name)
        tab.wait_for_timeout(300)
        edges = tab.locator(".gf-section, .gf-empty, .gf-about, .gf-code pre").evaluate_all(
            "all => all.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().right)"
        )
        assert edges and max(edges) <= 390, name
        contrasts += tab.evaluate(CONTRASTS)
    open_tab(tab, "Live")
    start_camera(tab)
    tab.locator("#gf-live-view .gf-head").wait_for()
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 390  # whatever the camera's picture is wide
    tops = tab.get_by_role("tab").evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
    assert len(set(tops)) == 1 and len(tops) == 5
    contrasts += tab.evaluate(CONTRASTS)
    assert [entry for entry in contrasts if entry["ratio"] < 4.5] == [], json.dumps(contrasts[:3])
    stop_camera(tab)
    tab.context.close()


def test_numbers_stay_in_their_columns(page, astronaut_file):
    upload(page, astronaut_file)
    page.locator("[data-panel='1']").wait_for()
    sticking_out = page.locator("[data-panel='1'] .gf-bars .gf-number").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 0.5).map(e => e.textContent)"
    )
    assert sticking_out == []


# Puts a PNG on the clipboard.
COPY = """
async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
}
"""


# Contrast (WCAG) of every text of our own with the nearest background that is not see-through.
CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const results = [];
  for (const element of document.querySelectorAll("#gf-header *, .tabitem *, #gf-foot *")) {
    const own = element.closest("[id^=gf-]") && [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".gf-aloud")) continue;
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
    const back = over(layers).slice(0, 3), front = over([...layers, getComputedStyle(element).color]).slice(0, 3);
    const [low, high] = [luminance(back), luminance(front)].sort((a, b) => a - b);
    results.push({ text: element.textContent.trim().slice(0, 30), ratio: (high + 0.05) / (low + 0.05), back, front });
  }
  return results;
}
"""
