"""How one comes to a result: a link to a tab, a file that is pasted or dropped anywhere."""

import base64
import mimetypes
import zipfile

import pytest

from tests.helpers.page_driver import NO_BROWSER, open_tab, upload
from tests.helpers.video_clips import scene, write_clip

pytestmark = NO_BROWSER

# A file arrives at an element: by drop or paste.
ARRIVE = """
([kind, selector, files]) => {
  const data = new DataTransfer(), target = document.querySelector(selector);
  for (const [name, type, content] of files)
    data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { type }));
  const options = { bubbles: true, cancelable: true };
  if (kind === "paste") target.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }));
  else
    for (const step of ["dragover", "drop"])
      target.dispatchEvent(new DragEvent(step, { ...options, dataTransfer: data }));
}
"""


def arrive(page, kind: str, selector: str, *files, type: str | None = None) -> None:
    """Let files arrive, of the types of their names unless one is given."""
    types = [mimetypes.guess_type(file.name)[0] or "" if type is None else type for file in files]
    content = [[file.name, named, base64.b64encode(file.read_bytes()).decode()] for file, named in zip(files, types)]
    page.evaluate(ARRIVE, [kind, selector, content])


def selected(page) -> str:
    return page.locator("[role=tab][aria-selected=true]").inner_text()


def test_a_link_opens_its_tab_and_a_reload_keeps_it(page, address):
    for name, tab in (("many", "Many photos"), ("live", "Live"), ("about", "About")):
        open_tab(page, tab)
        page.wait_for_function("name => location.hash === `#${name}`", arg=name)
    page.reload()
    page.locator(".gf-about").wait_for()
    assert selected(page) == "About"
    page.go_back()
    page.wait_for_function("() => document.querySelector('[role=tab][aria-selected=true]').innerText === 'Live'")
    page.goto("about:blank")
    page.goto(f"{address}#video")
    page.locator("#gf-video-start").wait_for()
    assert selected(page) == "Video"
    page.goto("about:blank")
    page.goto(f"{address}#nowhere")
    page.locator("#gf-example").wait_for()
    assert selected(page) == "Photo"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_that_arrives_on_a_result_takes_its_place(page, astronaut_file, two_faces, kind):
    upload(page, astronaut_file)
    page.locator("[data-panel='1']").wait_for()
    arrive(page, kind, "#gf-faces", two_faces)
    page.locator(".gf-box[data-face='2']").wait_for()
    arrive(page, kind, "#gf-header", astronaut_file)
    page.locator("#gf-found").or_(page.locator(".gf-found").get_by_text("1 face,")).wait_for()
    open_tab(page, "About")
    arrive(page, kind, ".gf-about", two_faces)
    page.locator(".gf-box[data-face='2']").wait_for()
    assert selected(page) == "Photo"


def test_several_photos_go_to_many_photos_and_replace_those(page, astronaut_file, two_faces):
    arrive(page, "drop", "#gf-header", astronaut_file, two_faces)
    page.locator("#gf-many-summary").filter(has_text="3 faces in 2 photos").wait_for()
    arrive(page, "drop", "#gf-many-view", two_faces)
    page.locator("#gf-many-summary").filter(has_text="2 faces in 1 photo").wait_for()


def test_a_folder_brings_its_photos(page, astronaut_file, two_faces, tmp_path):
    folder = tmp_path / "holiday"
    (folder / "deeper").mkdir(parents=True)
    for source, name in ((astronaut_file, "one.png"), (two_faces, "deeper/two.png"), (two_faces, ".hidden.png")):
        (folder / name).write_bytes(source.read_bytes())
    (folder / "notes.txt").write_text("no photo")
    open_tab(page, "Many photos")
    page.locator("#gf-many-folder input").set_input_files(str(folder))
    page.locator("#gf-many-summary").filter(has_text="3 faces in 2 photos").wait_for()
    assert page.locator(".gf-problems").count() == 0


def test_a_video_goes_to_its_tab_and_replaces_the_last(page, astronaut, tmp_path):
    clips = [
        write_clip(tmp_path / f"{width}.mp4", [scene(astronaut, 20, size=(width, 120))] * 5) for width in (300, 400)
    ]
    for clip, width in zip(clips, (300, 400)):
        arrive(page, "drop", "#gf-header", clip)
        page.wait_for_function(
            "width => document.querySelector('#gf-video-upload video')?.videoWidth === width", arg=width
        )
    assert selected(page) == "Video"


@pytest.mark.parametrize("place", ["#gf-header", "#gf-upload button.upload-container"])
def test_what_is_no_picture_is_refused_in_place_until_something_else_comes(page, astronaut_file, tmp_path, place):
    file = tmp_path / "text.txt"
    file.write_text("text")
    arrive(page, "drop", place, file)
    words = page.get_by_role("alert").get_by_text("text.txt is no photo, no video and no ZIP of photos.")
    words.wait_for()
    page.wait_for_timeout(500)
    assert page.url.startswith("http") and page.locator("#gf-example").is_visible()
    assert page.locator(".toast-body").count() == 0
    upload(page, file)
    words.wait_for()
    upload(page, astronaut_file)
    page.locator("[data-panel='1']").wait_for()
    assert words.is_hidden() and page.locator(".toast-body").count() == 0


def test_a_large_file_and_an_empty_one_are_refused_in_place(page, astronaut_file, tmp_path):
    large, empty = tmp_path / "large.jpg", tmp_path / "empty.jpg"
    with large.open("wb") as file:
        file.truncate(65_000_000)
    empty.touch()
    alert = page.get_by_role("alert")
    upload(page, large)
    alert.get_by_text("large.jpg has 65 MB, the limit is 64 MB.").wait_for()
    upload(page, empty)
    alert.get_by_text("empty.jpg is empty").wait_for()
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file), str(large)])
    alert.get_by_text("large.jpg has 65 MB, the limit is 64 MB. Nothing was taken.").wait_for()
    assert page.locator(".toast-body").count() == 0


def test_of_files_that_are_not_all_photos_the_other_one_is_named(page, astronaut_file, tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    arrive(page, "drop", "#gf-header", astronaut_file, tmp_path / "notes.txt")
    page.get_by_role("alert").get_by_text("notes.txt is no photo and no ZIP of photos. Nothing was taken.").wait_for()


def test_what_comes_while_a_set_is_under_way_takes_its_place(page, astronaut_file, two_faces):
    open_tab(page, "Many photos")
    held = []
    page.route("**/upload?*", lambda route: held.append(route))
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file)] * 4)
    page.wait_for_timeout(300)
    arrive(page, "drop", "#gf-header", two_faces)  # while it is uploaded
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    page.unroute("**/upload?*")
    summary = page.locator("#gf-many-summary")
    summary.filter(has_text="2 faces in 1 photo").wait_for()
    page.locator('#gf-files [aria-label="Clear"]').click()
    page.locator("#gf-files input[type=file]").set_input_files([str(astronaut_file)] * 8)
    page.locator("#gf-many-view progress").wait_for()
    arrive(page, "drop", "#gf-header", two_faces)  # while it is analysed
    summary.filter(has_text="2 faces in 1 photo").wait_for()


def test_a_zip_without_photos_is_told_and_has_nothing_to_download(page, tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "text")
    (tmp_path / "bad.zip").write_text("text")
    open_tab(page, "Many photos")
    page.locator("#gf-files input[type=file]").set_input_files(str(tmp_path / "notes.zip"))
    page.locator("#gf-many-summary").filter(has_text="There is no photo to analyse in these files.").wait_for()
    assert page.locator(".gf-take:visible, #gf-many-order:visible").count() == 0
    page.locator('#gf-files [aria-label="Clear"]').click()
    page.locator("#gf-files input[type=file]").set_input_files(str(tmp_path / "bad.zip"))
    page.locator("#gf-many-view .gf-problem").get_by_text("bad.zip cannot be unpacked").wait_for()


def test_two_videos_are_one_too_many(page, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20, size=(300, 120))] * 2)
    arrive(page, "drop", "#gf-header", clip, clip)
    page.get_by_role("alert").get_by_text("One video at a time, please.").wait_for()
    assert selected(page) == "Photo"


def test_files_chosen_in_the_wrong_field_go_where_they_belong(page, astronaut, astronaut_file, two_faces, tmp_path):
    page.locator("#gf-upload input[type=file]").evaluate("field => field.multiple = true")
    page.locator("#gf-upload input[type=file]").set_input_files([str(astronaut_file), str(two_faces)])
    page.locator("#gf-many-summary").filter(has_text="3 faces in 2 photos").wait_for()
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20, size=(300, 120))] * 2)
    page.locator("#gf-files input[type=file]").set_input_files(str(clip))
    page.wait_for_function("() => document.querySelector('#gf-video-upload video')?.videoWidth === 300")
    page.locator("#gf-video-upload [aria-label=Clear]").click()
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(astronaut_file))
    page.locator(".gf-found").get_by_text("1 face,").wait_for()
    assert page.locator(".toast-body").count() == 0


def test_a_moving_picture_is_a_video_in_the_tab_for_those_only(page, astronaut, tmp_path):
    frames = [astronaut.resize((200, 200)).rotate(turn) for turn in (0, 3, 6)]
    frames[0].save(tmp_path / "waving.gif", save_all=True, append_images=frames[1:], duration=200)
    open_tab(page, "Video")
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(tmp_path / "waving.gif"))
    page.wait_for_function("() => document.querySelector('#gf-video-upload video')?.poster")
    page.locator("#gf-video-start").click()
    page.locator(".gf-person").wait_for()
    assert page.locator(".toast-body").count() == 0
    open_tab(page, "Photo")
    upload(page, tmp_path / "waving.gif")
    page.locator(".gf-found").get_by_text("1 face,").wait_for()


def test_a_photo_whose_type_the_system_does_not_know_is_taken_by_its_name_or_content(page, astronaut, tmp_path):
    file = tmp_path / "IMG_0001.HEIC"  # a JPEG by content, as its name does not matter to the server
    astronaut.save(file, "JPEG")
    arrive(page, "drop", "#gf-upload button.upload-container", file, type="")
    page.locator(".gf-found").get_by_text("1 face,").wait_for()
    page.locator("#gf-another").click()
    arrive(page, "drop", "#gf-header", file.rename(tmp_path / "without_ending"), type="")
    page.locator(".gf-found").get_by_text("1 face,").wait_for()


def test_what_is_pasted_into_a_field_for_text_stays_there(page, astronaut_file):
    open_tab(page, "Video")
    arrive(page, "paste", "#gf-smoothing input[type=number]", astronaut_file)
    page.wait_for_timeout(500)
    assert selected(page) == "Video" and page.locator("#gf-refused-words").is_hidden()
