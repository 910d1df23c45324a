"""The reasons in a real browser: parts are covered on demand, anchors are read, loading shows what will come."""

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
    # An answer to a face that is no longer shown is left out.
    page.locator(".gf-entry[data-face='2']").click()
    assert page.locator(".gf-pieces").count() == 0


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


def test_loading_shows_the_shape_of_the_answer_and_can_be_cancelled(page):
    held = []
    page.route("**/queue/join*", held.append)
    page.locator("#gf-example").click()
    page.locator("#gf-layout[data-loading='example']").wait_for()
    assert not page.locator(".gf-classes").is_visible() and page.locator("#gf-cancel").is_visible()
    height = page.locator("#gf-faces").bounding_box()["height"]
    assert height >= page.locator("#gf-upload").bounding_box()["height"] - 1
    page.locator("#gf-cancel").click()
    page.locator(".gf-classes").wait_for()
    page.unroute("**/queue/join*")
    for route in held:
        route.continue_()
    page.wait_for_timeout(1500)
    assert page.locator("[data-panel='1']").count() == 0 and not page.locator("#gf-cancel").is_visible()
    page.locator("#gf-example").click()
    page.locator("[data-panel='1']").wait_for()
    assert page.locator("#gf-layout[data-loading]").count() == 0
