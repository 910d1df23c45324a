"""A really launched app and a headless browser for it, shared by the page's tests and the screenshots."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # a camera that shows a test picture
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
# Loading torch, transformers and gradio takes long on a busy machine; this only bounds a hang.
START_SECONDS = 300
ANSWER_MILLISECONDS = 120_000


def find_chromium() -> str | None:
    """An installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def offline_environment(**extra: str) -> dict[str, str]:
    """The environment of a process that must not use the network, without a model chosen by it."""
    environment = {name: value for name, value in os.environ.items() if name != "GREFEL_MODEL"}
    return environment | {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", **extra}


CHROMIUM = find_chromium()
# Where a browser is a must, as in continuous integration, its absence is a failure.
NO_BROWSER = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("GREFEL_REQUIRE_BROWSER"), reason="no Chromium is installed"
)


@contextlib.contextmanager
def running_app(
    *arguments: str, log: Path, environment: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[str]:
    """`python app.py` with these arguments on a free port; gives its address. What it prints goes to `log`."""
    port = _free_port()
    command = [python, "app.py", "--port", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment or offline_environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait_until_up(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def browser(executable: str, camera: Path | None = None):
    """A headless Chromium of Playwright. `camera`: what its camera sees, see `camera_file`."""
    from playwright.sync_api import sync_playwright

    flags = [*CHROMIUM_FLAGS, *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=flags)
        try:
            yield chromium
        finally:
            chromium.close()


def open_page(chromium, url: str, *, width: int = 1280, height: int = 900, dark: bool = False):
    """A tab with the page, loaded; messages of its console and the hosts it asked are in `.messages` and `.hosts`."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", permissions=["camera"]
    )
    page = context.new_page()
    page.set_default_timeout(ANSWER_MILLISECONDS)
    page.messages, page.hosts = [], set()
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    page.on("request", lambda request: page.hosts.add(request.url.split("/")[2] if "//" in request.url else ""))
    page.goto(f"{url}?__theme={'dark' if dark else 'light'}")
    page.locator("#gf-upload input[type=file]").wait_for(state="attached")
    return page


def camera_file(portrait: Image.Image, file: Path) -> Path:
    """A moving picture for the camera: the portrait's face wandering a little, raw, five times a second."""
    with file.open("wb") as stream:
        stream.write(b"YUV4MPEG2 W640 H480 F5:1 Ip A1:1 C420jpeg\n")
        for shift in (0, 4, 8, 4):
            frame = portrait.convert("RGB").resize((640, 480), box=(60 + shift, 0, 444 + shift, 288))
            bright, *colours = frame.convert("YCbCr").split()
            stream.write(b"FRAME\n" + bright.tobytes())
            stream.writelines(colour.resize((320, 240)).tobytes() for colour in colours)
    return file


def open_tab(page, name: str) -> None:
    """Choose a tab of the page."""
    page.get_by_role("tab", name=name, exact=True).click()


def start_camera(page) -> None:
    """Switch the live tab's camera on and let its frames be analysed."""
    page.locator("#gf-camera .gf-button").click()
    page.wait_for_function("() => document.querySelector('#gf-camera video')?.videoWidth > 0")


def stop_camera(page) -> None:
    """Switch it off again."""
    page.locator("#gf-camera .gf-button").click()


def upload(page, photo: Path) -> None:
    """Choose a file in the upload field."""
    page.locator("#gf-upload input[type=file]").set_input_files(str(photo))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"app.py stopped with status {process.returncode}:\n{log.read_text()}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            with urllib.request.urlopen(url, timeout=5):
                return
        time.sleep(0.2)
    raise RuntimeError(f"app.py did not answer within {START_SECONDS} seconds:\n{log.read_text()}")
