"""
After a tab is closed no pixel of its photo is in the server's memory, and in the end none on its disk.

The app runs with MALLOC_PERTURB_, which overwrites what is freed: what is found is held.
"""

import time
from pathlib import Path

import pytest

from tests.helpers.page_driver import browser, find_chromium, offline_environment, open_page, running_app, upload

SECONDS = 20


@pytest.fixture(scope="module")
def app(tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    environment = offline_environment(
        GREFEL_MODEL=str(tiny_checkpoint), GRADIO_TEMP_DIR=str(folder / "tmp"), MALLOC_PERTURB_="85"
    )
    with running_app("--detector", "none", log=folder / "app.log", environment=environment) as url:
        yield url, folder / "tmp"


def test_no_pixel_stays_in_memory(app, astronaut_file):
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium")
    url, temporary = app
    (process,) = (int(folder.name) for folder in processes(url))
    with browser(executable) as chromium:
        page = open_page(chromium, url)
        upload(page, astronaut_file)
        page.locator("#gf-photo-view img").wait_for()
        content = page.locator("#gf-photo-view img").get_attribute("src").partition(",")[2]
        marks = [content[start : start + 90].encode() for start in (3000, 6000, 9000)]
        assert all(len(mark) == 90 for mark in marks)
        page.context.close()
    deadline = time.monotonic() + SECONDS
    while (found := sum(in_memory(process, mark) for mark in marks)) and time.monotonic() < deadline:
        time.sleep(1)
    assert not found
    for file in temporary.rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            assert not any(mark in content for mark in marks)


def processes(url: str) -> list[Path]:
    """Of the app, by its port: its folder in /proc with the number of the process as name."""
    port = url.rstrip("/").rpartition(":")[2].encode()
    return [
        folder
        for folder in Path("/proc").glob("[0-9]*")
        if {b"app.py", port} <= set((folder / "cmdline").read_bytes().split(b"\0"))
    ]


def in_memory(process: int, mark: bytes) -> int:
    """How often the bytes are in what a process can write to."""
    count = 0
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, access, *_ = line.split()
            if not access.startswith("rw"):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            try:
                memory.seek(start)
                tail = b""
                while start < end:
                    piece = memory.read(min(1 << 24, end - start))
                    if not piece:
                        break
                    count += (tail + piece).count(mark)
                    tail = piece[-len(mark) + 1 :]
                    start += len(piece)
            except (OSError, ValueError):  # of the kernel's own
                continue
    return count
