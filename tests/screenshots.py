"""
Screenshots of each feature of the page, wide and phone, light and dark: look at them after a change.

    python -m tests.screenshots FOLDER [--model ...] [--detector ...] [--photo FILE ...] [--url URL] [--only NAME ...]
    python -m tests.screenshots --readme docs/page.png
"""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tests.helpers import page_driver as driver
from tests.helpers.video_clips import scene, write_clip

ASTRONAUT = driver.ROOT / "space" / "examples" / "eileen_collins.jpg"
SIZES = {"wide": (1280, 900), "phone": (390, 844), "large": (1920, 1080)}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", help="folder for screenshots of every feature")
    parser.add_argument("--readme", type=Path, help="file for the README's screenshot")
    parser.add_argument("--photo", type=Path, action="append", default=[], help="further photos for the photo tab")
    parser.add_argument("--model", help="folder or Hub id (default: bundled weights)")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--url", help="use a page that runs already")
    parser.add_argument("--only", nargs="+", choices=FEATURES, default=list(FEATURES), help="features to show")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    args = parser.parse_args()
    if not (args.out or args.readme):
        parser.error("name a folder, or a file with --readme")
    return args


def main(args: argparse.Namespace) -> None:
    executable = driver.find_chromium()
    if executable is None:
        raise SystemExit("screenshots.py: no Chromium is installed")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = args.url or stack.enter_context(_app(args, folder))
        camera = driver.camera_file(Image.open(ASTRONAUT), folder / "camera.y4m")
        chromium = stack.enter_context(driver.browser(executable, camera))
        if args.readme:
            args.readme.parent.mkdir(parents=True, exist_ok=True)
            page = driver.open_page(chromium, url, height=1000)
            analyse(page, ASTRONAUT)
            page.screenshot(path=args.readme)
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            files = sample_files(folder) | {photo.stem: photo for photo in args.photo}
            for size in args.sizes:
                for theme in ("light", "dark"):
                    width, height = SIZES[size]
                    page = driver.open_page(chromium, url, width=width, height=height, dark=theme == "dark")
                    for feature in args.only:
                        FEATURES[feature](page, files, shooter(page, args.out / f"{size}-{theme}"))
                    page.context.close()


def _app(args: argparse.Namespace, folder: Path):
    arguments = ["--detector", args.detector] + (["--model", args.model] if args.model else [])
    return driver.running_app(*arguments, log=folder / "app.log", environment=dict(os.environ))


def sample_files(folder: Path) -> dict[str, Path]:
    """A photo with a face, one without, two faces in one, and a file that is no picture."""
    files = {"face": ASTRONAUT} | {name: folder / f"{name}.png" for name in ("no_face", "two_faces")}
    gradient = np.linspace(90, 200, 640, dtype=np.uint8)
    Image.fromarray(np.tile(gradient, (420, 1))).save(files["no_face"])
    portrait = Image.open(ASTRONAUT)
    both = Image.new("RGB", (2 * portrait.width, portrait.height))
    both.paste(portrait, (0, 0))
    both.paste(ImageOps.mirror(portrait), (portrait.width, 0))
    both.save(files["two_faces"])
    steps = [80 + 6 * min(index, 60 - index) for index in range(60)]
    files["clip"] = write_clip(folder / "clip.mp4", [scene(portrait, 20, step, size=(400, 120)) for step in steps])
    files["broken"] = folder / "broken.jpg"
    files["broken"].write_text("this is no picture")
    return files


def shooter(page, start: Path) -> Callable[..., None]:
    """A function that writes the whole page (or what is visible) under a name."""

    def shoot(name: str, full_page: bool = True) -> None:
        page.wait_for_timeout(400)  # fonts and the browser's fade-ins
        page.screenshot(path=f"{start}-{name}.png", full_page=full_page)

    return shoot


def photo_feature(page, files: dict[str, Path], shoot) -> None:
    shoot("photo-empty")
    page.route("**/queue/join*", lambda route: (shoot("photo-loading"), route.continue_()))
    analyse(page, files["two_faces"])
    page.unroute("**/queue/join*")
    page.locator("#gf-another").click()
    page.locator(".gf-classes").wait_for()
    for name, file in files.items():
        if name in ("broken", "clip"):
            continue
        analyse(page, file)
        shoot(f"photo-{name}")
        if name == "two_faces":
            explain(page)
            shoot("photo-reasons")
        page.locator("#gf-another").click()
        page.locator("#gf-upload input[type=file]").wait_for(state="attached")
    driver.upload(page, files["broken"])
    page.locator(".gf-problem").wait_for()
    shoot("photo-broken", full_page=False)
    driver.upload(page, driver.ROOT / "README.md")
    page.locator("#gf-refused-words").wait_for()
    shoot("photo-refused", full_page=False)


def explain(page) -> None:
    """Open the first face's reasons, cover its parts and put the other face beside it."""
    page.locator("[data-panel='1'] summary").click()
    page.locator("[data-panel='1'] .gf-cover button").click()
    page.locator("[data-panel='1'] .gf-pieces").wait_for()
    page.locator("[data-panel='1'] button.gf-anchor-face").click()


def many_feature(page, files: dict[str, Path], shoot) -> None:
    driver.open_tab(page, "Many photos")
    shoot("many-empty")
    page.locator("#gf-files input[type=file]").set_input_files(
        [str(file) for name, file in files.items() if name != "clip"]
    )
    page.locator("#gf-many-view .gf-take").wait_for()
    shoot("many")


def live_feature(page, files: dict[str, Path], shoot) -> None:
    driver.open_tab(page, "Live")
    shoot("live-empty")
    driver.start_camera(page)
    page.locator("#gf-live-view .gf-head").wait_for()
    page.wait_for_timeout(5000)
    shoot("live")
    driver.stop_camera(page)


def video_feature(page, files: dict[str, Path], shoot) -> None:
    driver.open_tab(page, "Video")
    shoot("video-empty")
    page.locator("#gf-video-upload input[type=file]").set_input_files(str(files["clip"]))
    page.locator("#gf-video-upload video").wait_for()
    page.locator("#gf-video-start").click()
    page.locator("#gf-video-view progress").wait_for()
    shoot("video-running")
    page.locator("#gf-video-view .gf-person").first.wait_for()
    shoot("video")
    page.locator("#gf-video-example").click()
    page.locator("#gf-video-view .gf-person").first.wait_for(state="detached")
    page.locator("#gf-video-view .gf-person").first.wait_for()
    page.locator("#gf-strictness").fill("95")
    shoot("video-strict")
    page.locator("#gf-strictness").fill("40")


def about_feature(page, files: dict[str, Path], shoot) -> None:
    driver.open_tab(page, "About")
    page.locator(".gf-about").wait_for()
    shoot("about")


FEATURES = {
    "photo": photo_feature,
    "many": many_feature,
    "live": live_feature,
    "video": video_feature,
    "about": about_feature,
}


def analyse(page, photo: Path) -> None:
    driver.upload(page, photo)
    page.locator("[data-panel='1'], #gf-no-face").first.wait_for()
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main(parse_args())
