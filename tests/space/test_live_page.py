"""The camera in a real browser: it ends when it says, and nothing is sent that nobody looks at."""

import pytest

from space.tabs.live.seats import SILENT_SECONDS
from tests.helpers.page_driver import NO_BROWSER, open_page, open_tab, start_camera, stop_camera

pytestmark = NO_BROWSER

# Whether a camera is on, and how many requests with frames were made.
TRACKS = """
() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}
"""


@pytest.fixture
def live(page):
    """The live tab, its camera on and a face found; `page.frames_sent` are the requests with a frame."""
    page.frames_sent = []
    page.on("request", lambda request: "data:image/jpeg" in (request.post_data or "") and page.frames_sent.append(1))
    page.evaluate(TRACKS)
    open_tab(page, "Live")
    start_camera(page)
    page.locator("#gf-live-view .gf-head h2").wait_for()
    return page


def words(page) -> str:
    return page.locator(".gf-live-words").inner_text()


def assert_off(page) -> None:
    assert page.evaluate("() => tracks.map(track => track.readyState)") == ["ended"]
    sent = len(page.frames_sent)
    page.wait_for_timeout(1500)
    assert len(page.frames_sent) == sent


def test_words_stand_over_the_moving_picture_and_stop_means_stop(live):
    box = live.locator("#gf-camera .gf-box")
    box.wait_for()
    assert box.inner_text() == "happiness"
    live.locator(".gf-live-words[role=status]").filter(has_text="happiness").wait_for()  # for those who hear the page
    edges, picture = live.evaluate(  # at once, as every answer draws the boxes anew
        "() => ['#gf-camera .gf-box', '#gf-camera video']"
        ".map(place => document.querySelector(place).getBoundingClientRect().toJSON())"
    )
    assert picture["left"] < edges["left"] and edges["right"] < picture["right"]
    assert live.locator("#gf-camera .gf-box .gf-leftwards").count() == 0
    live.add_style_tag(content=".gf-live-boxes { right: 80% !important; }")  # as narrow as that words would leave it
    live.locator("#gf-camera .gf-box .gf-leftwards").wait_for()
    assert live.locator("#gf-camera .gf-button").inner_text() == "Stop the camera"
    stop_camera(live)
    assert words(live) == "The camera is off." and live.locator("#gf-camera .gf-box").count() == 0
    assert_off(live)


def test_it_ends_when_it_says(chromium, address):
    tab = open_page(chromium, address)
    tab.evaluate(TRACKS)
    tab.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + (window.later ?? 0); }"
    )
    tab.frames_sent = []
    open_tab(tab, "Live")
    start_camera(tab)
    tab.locator("#gf-live-view .gf-head h2").wait_for()
    tab.evaluate("() => { window.later = 121_000; }")
    tab.locator(".gf-live-words").filter(has_text="120 seconds are over").wait_for()
    assert_off(tab)
    tab.context.close()


def test_nothing_is_sent_while_another_tab_is_read(live):
    open_tab(live, "About")
    live.wait_for_function("() => tracks[0].readyState === 'ended'")
    assert_off(live)
    open_tab(live, "Live")
    assert words(live) == "The camera was switched off when you left."


@pytest.mark.parametrize(
    ("name", "reason"), [("NotAllowedError", "is not allowed here"), ("NotFoundError", "There is no camera")]
)
def test_a_camera_that_cannot_be_had_is_told_in_place(page, name, reason):
    page.evaluate(
        f"() => {{ navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }} }}"
    )
    open_tab(page, "Live")
    page.locator("#gf-camera .gf-button").click()
    page.locator(".gf-live-words").filter(has_text=reason).wait_for()
    assert page.locator(".toast-body").count() == 0


def test_words_of_two_faces_make_room(live):
    boxes = live.locator(".gf-live-boxes")
    stop_camera(live)
    place = "position:absolute;top:40%;width:5%;height:20%"
    faces = [
        f'<div class="gf-box" style="{place};left:{left}%"><span>{number} <i>anger</i></span></div>'
        for number, left in ((1, 10), (2, 16))
    ]
    boxes.evaluate("(boxes, faces) => { boxes.innerHTML = faces.join(''); }", faces)
    live.locator(".gf-live-boxes .gf-box[data-place]").nth(1).wait_for(state="attached")
    one, other = (label.bounding_box() for label in live.locator(".gf-live-boxes .gf-box > span").all())
    beside = one["x"] + one["width"] <= other["x"]
    assert beside or one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]


def test_a_third_visitor_is_told_the_place_and_gets_it_when_one_stops_or_closes_the_page(chromium, address):
    tabs = [open_page(chromium, address) for _ in range(3)]
    for tab in tabs:
        open_tab(tab, "Live")
        start_camera(tab)
        tab.locator("[data-live]").wait_for()
    tabs[2].locator(".gf-live-words").filter(has_text="you are number 1 in the queue").wait_for()
    stop_camera(tabs[0])
    tabs[2].locator("#gf-live-view .gf-head h2").wait_for()
    words = tabs[0].locator(".gf-live-words")
    start_camera(tabs[0])  # who comes again waits, without the boxes of before
    words.filter(has_text="you are number 1 in the queue").wait_for()
    tabs[0].wait_for_timeout(500)
    assert tabs[0].locator("#gf-camera .gf-box").count() == 0 and "in the queue" in words.inner_text()
    stop_camera(tabs[0])
    tabs[0].locator("#gf-live-view .gf-live-empty").wait_for()
    start_camera(tabs[0])
    words.filter(has_text="you are number 1 in the queue").wait_for()
    tabs[1].context.close()  # noticed sooner than silence is
    tabs[0].locator("#gf-live-view .gf-head h2").wait_for(timeout=1000 * SILENT_SECONDS / 2)
    for tab in (tabs[0], tabs[2]):
        stop_camera(tab)
        tab.context.close()
