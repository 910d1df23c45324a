"""The reasons in a real browser: parts are covered on demand, and anchors are read."""

import pytest

from tests.helpers.page_driver import NO_BROWSER, upload

pytestmark = NO_BROWSER


@pytest.fixture
def reasons(page, two_faces):
    """The reasons of the first of two faces, opened."""
    upload(page, two_faces)
    page.locator("[data-panel='1'] summary").click()
    return page.locator("[data-panel='1']")


def test_parts_of_a_face_are_covered_on_demand(page, reasons, predictor, two_faces):
    button = reasons.locator(".gf-cover button")
    button.click()
    reasons.locator(".gf-pieces").wait_for()
    assert reasons.locator(".gf-pieces tr").count() == 1 + 4 and button.is_enabled()
    face = predictor(two_faces).faces[0]
    most = predictor.occlusions(face.crop, face.landmarks)[0]
    assert f"without {most.region}" in reasons.locator(".gf-pieces tr").nth(1).inner_text()
    page.locator(".gf-entry[data-face='2']").click()
    assert page.locator(".gf-face .gf-pieces").count() == 0
    page.locator(".gf-entry[data-face='1']").click()
    assert page.locator("[data-panel='1'] .gf-pieces tr").count() == 1 + 4  # it is still known


def test_an_answer_waits_for_the_face_that_it_is_about(page, reasons, astronaut, tmp_path):
    page.route("**/queue/join*", lambda route: (page.locator(".gf-entry[data-face='2']").click(), route.continue_()))
    reasons.locator(".gf-cover button").click()
    page.locator("#gf-covered .gf-pieces").wait_for(state="attached")
    page.unroute("**/queue/join*")
    assert page.locator("#gf-chosen .gf-pieces").count() == 0
    page.locator(".gf-entry[data-face='1']").click()
    assert reasons.locator(".gf-pieces tr").count() == 1 + 4
    # Nothing of it is left with another photo.
    page.locator("#gf-another").click()
    astronaut.rotate(5).save(tmp_path / "one.png")
    upload(page, tmp_path / "one.png")
    page.locator(".gf-entry[data-face='2']").wait_for(state="detached")
    reasons.locator(".gf-cover").wait_for(state="attached")
    assert page.locator("#gf-chosen .gf-pieces").count() == 0


def test_anchors_are_read_by_mouse_and_keyboard(page, reasons, predictor, two_faces):
    face = predictor(two_faces).faces[0]
    order = [f"{label} {number}" for label, number, _ in face.nearest_anchors(face.anchor_similarities.size)]
    words = reasons.locator(".gf-anchor-words")
    assert words.inner_text().startswith(f"{order[0]}: ") and "the nearest of" in words.inner_text()
    reasons.locator(".gf-anchor").first.focus()
    page.keyboard.press("ArrowRight")
    assert words.inner_text().startswith(f"{order[1]}: ")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == order[1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # round to the farthest
    assert words.inner_text().startswith(f"{order[-1]}: ")
    reasons.locator(f".gf-anchor[aria-label='{order[1]}']").dispatch_event("click")
    assert words.inner_text().startswith(f"{order[1]}: ")
    assert reasons.locator(".gf-anchor[aria-pressed='true']").count() == 1
    assert reasons.locator(".gf-anchor-face").all_inner_texts() == ["1", "2"]


def test_two_faces_stand_side_by_side(page, reasons, predictor, two_faces):
    faces = predictor(two_faces).faces
    names = ["\u00a0".join(map(str, face.nearest_anchors(1)[0][:2])) for face in faces]
    beside = reasons.locator(".gf-beside p")
    assert beside.nth(0).inner_text().startswith(f"Face 1. Nearest: {names[0]} (")
    assert reasons.locator(".gf-anchor-map path").get_attribute("d") is None
    other = reasons.get_by_role("button", name="Put face 2 beside this one")
    other.focus()
    page.keyboard.press("Enter")
    assert beside.nth(1).inner_text().startswith(f"Face 2. Nearest: {names[1]} (")
    # Lines go from it to its anchors.
    assert reasons.locator(".gf-anchor-map path").get_attribute("d").count("M") == 3
    assert other.get_attribute("aria-pressed") == "true"
