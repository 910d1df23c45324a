"""While an answer is under way the page shows what it is of, nothing jumps, and there is a way out."""

import pytest

from tests.helpers.page_driver import NO_BROWSER, ROOT, open_page, open_tab, upload

pytestmark = NO_BROWSER

LOADING = "#gf-layout[data-loading]"
HAS_THE_ANSWER = "() => document.activeElement.matches('#gf-chosen h2')"
HAS_THE_FIELD = "() => document.activeElement.matches('#gf-upload button.upload-container')"


def released(page, held) -> None:
    for route in held:
        route.fulfill(response=route.fetch())  # one after the other, as the visitor sent them
    page.unroute("**/queue/join*")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)], ids=["wide", "phone"])
def test_the_photo_is_there_at_once_and_stays_where_it_is(chromium, address, width, height):
    page = open_page(chromium, address, width=width, height=height)
    held = []
    page.route("**/queue/join*", lambda route: held.append(route))
    upload(page, ROOT / "space/examples/group.jpg")  # with a strip of faces: the highest result
    picture = page.locator("#gf-loading img")
    page.wait_for_function("() => document.querySelector('#gf-loading img').naturalWidth > 0")
    assert picture.get_attribute("src").startswith("blob:")  # it does not wait for the server
    page.locator("#gf-loading [role=status]").filter(has_text="Looking for faces").wait_for()
    assert page.locator(".gf-classes").is_hidden() and page.locator("#gf-upload").is_hidden()
    room = page.locator("#gf-faces").bounding_box()
    before = picture.bounding_box()
    released(page, held)
    page.wait_for_function(HAS_THE_ANSWER)
    assert page.locator(LOADING).count() == 0 and picture.get_attribute("src") is None
    assert page.locator(".gf-photo > img:visible").bounding_box() == pytest.approx(before, abs=1)
    answer = page.locator("#gf-faces").bounding_box()
    assert answer["x"] == room["x"] and (width < 640 or answer["y"] == room["y"])
    assert room["height"] >= 300
    end = page.locator("#gf-chosen .gf-why > summary").bounding_box()
    assert before["y"] >= 0 and end["y"] + end["height"] <= height  # photo and answer are on one screen
    page.context.close()


def test_it_can_be_cancelled(page):
    page.route("**/queue/data*", lambda route: None)  # the answer never comes
    page.locator("#gf-example").dblclick()
    page.locator(LOADING).wait_for()
    assert page.locator("#gf-cancel").is_hidden()  # a second click is no wish to end
    page.locator("#gf-cancel").click()
    page.locator(".gf-classes").wait_for()
    page.wait_for_function(HAS_THE_FIELD)
    assert page.locator("[data-panel], " + LOADING).count() == 0 and page.locator("#gf-example").is_visible()


def test_another_photo_leads_back_to_the_field(page):
    page.locator("#gf-example").click()
    page.wait_for_function(HAS_THE_ANSWER)
    page.locator("#gf-another").click()
    page.wait_for_function(HAS_THE_FIELD)


def test_of_two_photos_the_last_is_answered(page, astronaut_file, two_faces):
    held = []
    page.route("**/queue/join*", lambda route: held.append(route))
    upload(page, astronaut_file)
    page.locator("#gf-loading [role=status]").filter(has_text="Looking for faces").wait_for()
    upload(page, two_faces)
    while len(held) < 2:
        page.wait_for_timeout(50)
    released(page, held)
    page.wait_for_function(HAS_THE_ANSWER)
    assert page.locator(".gf-box").count() == 2 and page.locator(LOADING).count() == 0


def test_a_photo_that_does_not_get_through_leaves_the_field(page, astronaut_file):
    page.route("**/upload*", lambda route: route.abort())
    upload(page, astronaut_file)
    page.locator(".toast-body").first.wait_for()
    page.locator("#gf-upload button.upload-container").wait_for()
    assert page.locator(LOADING).count() == 0


def test_many_photos_can_be_cancelled(page, astronaut_file, two_faces):
    open_tab(page, "Many photos")
    files = page.locator("#gf-files input[type=file]")
    files.set_input_files([str(astronaut_file), str(two_faces)] * 8)
    page.locator("#gf-many-view progress").wait_for()
    page.locator("#gf-many-cancel").click()
    page.wait_for_function("() => document.activeElement.matches('#gf-files button.upload-container')")
    page.wait_for_timeout(1500)
    assert page.locator("#gf-many-view .gf-empty").is_visible()  # nothing comes after it
    assert page.locator("#gf-many-cancel").is_hidden()
    files.set_input_files([str(two_faces)])
    page.locator("#gf-many-summary").filter(has_text="2 faces in 1 photo").wait_for()
