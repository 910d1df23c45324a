"""Everyone can use the page: by keyboard, by ear, in both themes, by touch, in any language of the browser."""

import re
import shutil
import subprocess
import tarfile

import pytest
from PIL import Image

from tests.helpers.page_driver import NO_BROWSER, open_page, open_tab, start_camera, stop_camera, upload
from tests.helpers.video_clips import scene, write_clip

pytestmark = NO_BROWSER

TABS = ("Photo", "Live", "Video", "Many photos", "About")
VIOLATIONS = """
async () => (await axe.run()).violations
  .filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => [found.id, ...found.nodes.map((node) => node.html.slice(0, 200))])
"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """The script of axe-core, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    try:
        npm = [shutil.which("npm") or "npm", "pack", "axe-core@4", "--silent"]
        subprocess.run(npm, cwd=folder, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be had from npm: {type(error).__name__}")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        return package.extractfile("package/axe.min.js").read().decode()


def test_axe_finds_nothing_serious_on_any_tab(page, axe, two_faces):
    page.evaluate(axe)
    assert page.evaluate(VIOLATIONS) == []
    upload(page, two_faces)
    page.locator("[data-panel='1'] summary").click()
    page.locator("[data-panel='1'] .gf-cover button").click()
    page.locator("[data-panel='1'] .gf-pieces").wait_for()
    page.locator("[data-panel='1'] button.gf-anchor-face").click()
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(300)
        assert page.evaluate(VIOLATIONS) == [], tab
    page.get_by_role("button", name="Use via API").click()
    page.wait_for_timeout(1000)
    assert [found for found in page.evaluate(VIOLATIONS) if "gf-" in str(found)] == []  # in the framework's own dialog


def test_axe_finds_nothing_serious_while_and_after_work(page, axe, astronaut, two_faces, tmp_path):
    """Loading, no face, an error, results of many photos and of a video with cut-off parts, the camera."""
    page.evaluate(axe)

    def look() -> list:
        return page.evaluate(VIOLATIONS) + page.evaluate(SMALL)

    broken, grey = tmp_path / "broken.jpg", tmp_path / "grey.png"
    broken.write_text("no picture")
    Image.new("RGB", (300, 200), "grey").save(grey)
    held = []
    page.route("**/queue/join*", lambda route: held.append(route))
    upload(page, grey)
    page.locator("#gf-cancel").wait_for()
    found = {"loading": look()}
    for route in held:
        route.continue_()
    page.unroute("**/queue/join*")
    page.locator("#gf-no-face").wait_for()
    found["no face"] = look()
    upload(page, broken)
    page.locator("#gf-faces .gf-problem").wait_for()
    found["error"] = look()
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(two_faces), str(broken), str(grey)])
    page.locator("#gf-many-summary span").first.wait_for()
    found["many"] = look()
    open_tab(page, "Video")
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20, size=(300, 120))] * 6)
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(clip))
    page.locator("#gf-video-upload video").wait_for(state="attached")
    page.locator("#gf-video-start").click()
    page.get_by_role("slider", name="Moment in the annotated copy").wait_for()
    page.locator("#gf-strictness").fill("99")
    found["video"] = look()
    open_tab(page, "Live")
    start_camera(page)
    page.locator("#gf-live-view .gf-head h2").wait_for()
    found["live"] = look()
    stop_camera(page)
    found["live, off"] = look()
    assert {state: violations for state, violations in found.items() if violations} == {}


def test_the_photo_flow_works_by_keyboard_and_ear(page):
    page.locator("#gf-example").focus()
    page.keyboard.press("Enter")
    # The focus goes to the answer, not to the body; from there to the reasons and their switches.
    page.wait_for_function("() => document.activeElement.textContent.trim() === 'happiness'")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".gf-why").evaluate("details => details.open")
    page.keyboard.press("Tab")
    focused = "() => [document.activeElement.dataset.layer, getComputedStyle(document.activeElement).outlineStyle]"
    assert page.evaluate(focused) == ["attention", "solid"]
    page.keyboard.press("Space")
    assert not page.locator(".gf-attention").is_visible()
    # What stands on a box is its name: nothing hides the answer.
    assert page.get_by_role("button", name="happiness", exact=True).count() == 1


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_marks_stand_out_from_what_is_around_them(chromium, address, look):
    tab = open_page(chromium, address, dark=look == "dark")
    if look == "forced":  # colours are the system's
        tab.emulate_media(forced_colors="active")
    tab.locator("#gf-example").click()
    tab.locator("[data-panel='1'] summary").click()
    contrasts = tab.evaluate(MARKS)
    assert len(contrasts) > 50
    open_tab(tab, "Live")
    start_camera(tab)
    tab.locator("#gf-live-view polygon").first.wait_for(state="attached")
    contrasts += tab.evaluate(MARKS)
    assert sum("polygon" in entry["mark"] for entry in contrasts) >= 8
    assert [entry for entry in contrasts if entry["ratio"] < 3] == []
    stop_camera(tab)  # else the next camera waits for this one's place
    tab.context.close()


def test_what_one_touches_has_24_pixels_a_side(chromium, address, two_faces):
    tab = open_page(chromium, address, width=390, height=844)
    upload(tab, two_faces)
    tab.locator("[data-panel='1'] summary").click()
    for name in TABS:
        open_tab(tab, name)
        assert tab.evaluate(SMALL) == [], name
    tab.context.close()


def test_all_words_are_english_whatever_the_browser_prefers(chromium, address):
    words = []
    for locale in ("de-DE", "en-US"):
        context = chromium.new_context(locale=locale)
        tab = context.new_page()
        tab.goto(address)
        for name in TABS:
            open_tab(tab, name)
        tab.wait_for_timeout(500)
        assert tab.evaluate("() => document.documentElement.lang") == "en"
        words.append(tab.evaluate(WORDS))
        context.close()
    assert words[0] == words[1] and "Use via API or MCP" in words[0]
    assert len([word for word in words[0] if "Drop" in word]) >= 3  # the framework's own fields


def test_words_of_the_paper_are_explained_by_mouse_and_keyboard(page):
    page.locator("#gf-example").click()
    page.locator("[data-panel='1'] summary").click()
    term, tip = page.locator(".gf-term").get_by_text("Geometric"), page.get_by_role("tooltip")
    assert tip.count() == 0
    term.hover()
    assert tip.inner_text() == "what the anchors near this face stand for"
    page.mouse.move(0, 0)
    assert tip.count() == 0
    term.focus()
    assert tip.inner_text() == "what the anchors near this face stand for"
    page.keyboard.press("Escape")
    assert tip.count() == 0


def test_names_are_words(page, astronaut_file):
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file)])
    page.locator("#gf-many-summary span").first.wait_for()
    names = page.locator("[aria-label]").evaluate_all("all => all.map(element => element.ariaLabel)")
    keys = [name for name in names if re.fullmatch(r"[a-z_]+[.][a-z_]+", name) and name != astronaut_file.name]
    assert "Add photos" in names and keys == []


# What is read or heard anywhere on the page, however it is hidden.
WORDS = """
() => [...document.querySelectorAll("body *:not(script):not(style)")].flatMap((e) => [
  ...[...e.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()),
  ...["aria-label", "title", "alt", "placeholder"].map((name) => e.getAttribute(name)),
]).filter(Boolean)
"""

# Links within text are as high as their line.
SMALL = """
() => [...document.querySelectorAll("button, a[href], input, select, summary, label:has(input)")]
  .filter((e) => e.checkVisibility() && !e.closest("label:has(input) input, p"))
  .map((e) => [e.outerHTML.slice(0, 100), e.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)
"""

# Contrast (WCAG) of the edge or the filling of every bar, swatch and band, the better of the two, with what it lies on.
MARKS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return [...document.querySelectorAll(".gf-track > span, .gf-swatch, .gf-plot polygon")]
    .filter((mark) => mark.checkVisibility())
    .map((mark) => {
      const layers = [];
      for (let e = mark.parentElement; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
      const style = getComputedStyle(mark), below = over(layers);
      const isBand = mark.tagName === "polygon";
      const filling = [...layers, isBand ? style.fill : style.backgroundColor];
      const edge = isBand ? style.stroke : style.boxShadow.match(/^[a-z]+[(][^)]*[)]/)?.[0] ?? "transparent";
      const best = Math.max(ratio(over(filling), below), ratio(over([...filling, edge]), below));
      return { mark: mark.outerHTML.slice(0, 120), ratio: best };
    });
}
"""
