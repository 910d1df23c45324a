"""
How long people wait for the page: from `python app.py` to a page that takes a photo, and from a photo to its figures.

    GREFEL_YUNET=face_detection_yunet_2023mar.onnx python -m tests.benchmarks.benchmark_page [PHOTO] [--python PYTHON]

Seconds in a headless Chromium that is already running, with the bundled checkpoint. Without a PHOTO it is the example,
four times. --python measures another environment, such as one in which only `make demo` was run: packages of the
tests, where installed, load with the page.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from space.tabs.photo.examples import EXAMPLE
from tests.benchmarks.measuring import positive, print_figures
from tests.helpers.page_driver import browser, find_chromium, offline_environment, open_page, running_app, upload


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs app.py (default: this one)")
    parser.add_argument("--photos", type=positive, default=5, help="how often the photo is uploaded (default: 5)")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    return parser.parse_args()


def four_faces(folder: Path) -> Path:
    """The example, twice beside and twice below itself."""
    portrait = Image.open(EXAMPLE).convert("RGB")
    group = Image.new("RGB", (2 * portrait.width, 2 * portrait.height))
    for corner in ((0, 0), (portrait.width, 0), (0, portrait.height), portrait.size):
        group.paste(portrait, corner)
    file = folder / "four.jpg"
    group.save(file)
    return file


def seconds_of_upload(page, photo: Path) -> float:
    """From choosing the file to the boxes on the photo."""
    start = time.perf_counter()
    upload(page, photo)
    page.locator(".gf-box").first.wait_for(state="attached")
    return time.perf_counter() - start


def measure(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    executable = find_chromium()
    if executable is None:
        sys.exit("This needs Chromium: apt-get install chromium")
    photo = args.photo or four_faces(folder)
    figures: dict[str, float] = {}
    with browser(executable) as chromium:
        start = time.perf_counter()
        with running_app(log=folder / "app.log", environment=offline_environment(), python=args.python) as url:
            figures["start to first answer of the server, s"] = time.perf_counter() - start
            page = open_page(chromium, url)
            figures["start to a page that takes a photo, s"] = time.perf_counter() - start
            spent = []
            for _ in range(args.photos):
                spent.append(seconds_of_upload(page, photo))
                faces = page.locator(".gf-box").count()
                page.locator("#gf-another").click()
                page.locator("#gf-upload input[type=file]").wait_for(state="attached")
    figures["faces in the photo"] = faces
    figures["first photo, s"] = spent[0]
    figures["slowest later photo, s"] = max(spent[1:], default=spent[0])
    return figures


def main(args: argparse.Namespace):
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args, Path(folder))
    print_figures("page", figures)
    if args.output:
        args.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main(parse_args())
