"""How certain an answer has to be: the slider over all tabs."""

import json

from tests.helpers.page_driver import NO_BROWSER, ROOT, open_tab, start_camera, stop_camera, upload

pytestmark = NO_BROWSER


def ask(page, least: int) -> None:
    page.locator("#gf-strictness").fill(str(least))


# Of the second face fewer answers are right, whatever the weights are.
LESS_CERTAIN = """
() => {
  const panel = document.querySelector("[data-face-panel='2']");
  if (panel) panel.textContent = panel.textContent.replace(/data-right="\\d+"/, 'data-right="60"');
  for (const word of document.querySelectorAll("[data-face='2'] [data-right], li:nth-child(2) > [data-right]"))
    word.dataset.right = 60;
}
"""


def test_words_give_way_in_all_tabs_and_come_back(page, two_faces):
    upload(page, two_faces)
    page.locator("[data-panel='1']").wait_for()
    words = page.locator(".gf-box i").all_inner_texts()
    page.evaluate(LESS_CERTAIN)
    ask(page, 61)
    assert page.locator(".gf-box i").all_inner_texts() == [words[0], "cannot tell"]
    assert page.locator(".gf-entry small").all_inner_texts() == [words[0], "cannot tell"]
    page.locator(".gf-entry[data-face='2']").click()
    page.locator("#gf-chosen h2").get_by_text("cannot tell").wait_for()  # of a panel that comes later, too
    assert f"the nearest guess is {words[1]}" in page.locator("#gf-chosen .gf-sure").inner_text()
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(two_faces)])
    summary = page.locator("#gf-many-summary")
    summary.filter(has_text=f"2 {words[0]}").wait_for()
    page.evaluate(LESS_CERTAIN)
    ask(page, 62)
    summary.filter(has_text="1 cannot tell").wait_for()
    ask(page, 60)
    summary.filter(has_text=f"2 {words[0]}").wait_for()
    open_tab(page, "Photo")
    assert page.locator(".gf-box i").all_inner_texts() == words


def test_photos_that_come_afterwards_are_counted_as_asked(page):
    ask(page, 90)
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(ROOT / "space/examples/near_tie.jpg")])
    page.locator("#gf-many-summary").filter(has_text="1 face in 1 photo:").wait_for()
    assert "1 cannot tell" in page.locator("#gf-many-summary").inner_text()


def test_what_it_costs_is_said_and_nothing_is_asked_of_the_server(page):
    page.wait_for_timeout(500)
    words = json.loads(page.locator("#gf-strictness").get_attribute("data-words"))
    requests = []
    page.on("request", lambda request: requests.append(request))
    ask(page, 90)
    assert page.locator("#gf-strictness-value").inner_text() == "answers right at least 90 times in 100"
    assert page.locator("#gf-strictness-words").inner_text().strip() == words["90"]
    assert "of the validation faces would be answered" in words["90"]
    ask(page, 40)
    assert page.locator("#gf-strictness-value").inner_text() == "every answer"
    assert requests == []


def test_the_cameras_words_can_give_way(page):
    open_tab(page, "Live")
    start_camera(page)
    page.locator("#gf-camera .gf-box i").get_by_text("happiness").wait_for()
    box = page.locator("#gf-camera .gf-box i")
    assert box.get_attribute("data-word") == "happiness" and int(box.get_attribute("data-right")) > 40
    stop_camera(page)
