"""
Screenshots of the page, wide and phone, light and dark, of every state: look at them after a change.

    python tests/screenshots.py --out FOLDER [--model ...] [--detector ...] [--photo FILE ...] [--url URL]
    python tests/screenshots.py --readme docs/page.png
"""

import argparse
import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np
from page_driver import ROOT, browser, find_chromium, open_page, running_app, upload
from PIL import Image

ASTRONAUT = ROOT / "space" / "examples" / "eileen_collins.jpg"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for screenshots of every state")
    parser.add_argument("--readme", type=Path, help="file for the README's screenshot")
    parser.add_argument("--photo", type=Path, action="append", default=[], help="further photos for --out")
    parser.add_argument("--model", help="folder or Hub id (default: bundled weights)")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--url", help="use a page that runs already")
    args = parser.parse_args()
    if not (args.out or args.readme):
        parser.error("say where to with --out or --readme")
    return args


def main(args: argparse.Namespace) -> None:
    executable = find_chromium()
    if executable is None:
        raise SystemExit("screenshots.py: no Chromium is installed")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url = args.url or stack.enter_context(_app(args, Path(folder)))
        chromium = stack.enter_context(browser(executable))
        if args.readme:
            args.readme.parent.mkdir(parents=True, exist_ok=True)
            page = open_page(chromium, url, height=1000)
            _analyse(page, ASTRONAUT)
            page.screenshot(path=args.readme)
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            _all_states(chromium, url, args, Path(folder))


def _app(args: argparse.Namespace, folder: Path):
    arguments = ["--detector", args.detector] + (["--model", args.model] if args.model else [])
    return running_app(*arguments, log=folder / "app.log", environment=dict(os.environ))


def _all_states(chromium, url: str, args: argparse.Namespace, folder: Path) -> None:
    no_face, broken = folder / "no_face.png", folder / "broken.jpg"
    gradient = np.linspace(90, 200, 640, dtype=np.uint8)
    Image.fromarray(np.tile(gradient, (420, 1))).save(no_face)
    broken.write_text("this is no picture")
    for size, (width, height) in SIZES.items():
        for dark in (False, True):
            page = open_page(chromium, url, width=width, height=height, dark=dark)
            start = args.out / f"{size}-{'dark' if dark else 'light'}"
            page.screenshot(path=f"{start}-empty.png", full_page=True)
            for photo in (ASTRONAUT, no_face, *args.photo):
                _analyse(page, photo)
                page.screenshot(path=f"{start}-{photo.stem}.png", full_page=True)
                page.locator("#gf-another").click()
                page.locator("#gf-upload input[type=file]").wait_for(state="attached")
            upload(page, broken)
            page.locator(".toast-body").first.wait_for()
            page.wait_for_timeout(700)
            page.screenshot(path=f"{start}-broken.png")
            page.context.close()


def _analyse(page, photo: Path) -> None:
    upload(page, photo)
    page.locator("[data-panel='1'], #gf-no-face").first.wait_for()
    page.wait_for_timeout(300)  # fonts and the browser's fade-ins


if __name__ == "__main__":
    main(parse_args())
