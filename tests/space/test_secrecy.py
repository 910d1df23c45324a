"""Nothing that is uploaded stays, and nothing of the server can be read: what was tried, by page and API."""

import asyncio
import base64
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio as gr
import httpx
import pytest
import safehttpx
from gradio.processing_utils import save_base64_to_cache
from gradio_client import Client, handle_file

from grefel_hf import FacialExpressionPredictor
from space import links
from space import page as layout
from space.sweeper import own_files, start_sweeping, sweep
from space.tabs.photo.tab import EXAMPLE
from tests.helpers.page_driver import ROOT
from tests.helpers.tiny import tiny_endpoint
from tests.helpers.video_clips import scene, write_clip

SECRET = str(ROOT / "app.py")
META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def secrets(astronaut, tmp_path_factory) -> dict[str, Path]:
    """A photo and a video of the server's own."""
    clip = write_clip(tmp_path_factory.mktemp("secrets") / "clip.mp4", [scene(astronaut, 20)] * 3)
    return {"photo": EXAMPLE, "video": clip}


@pytest.mark.parametrize("endpoint", ["predict", "many_photos", "video"])
@pytest.mark.parametrize(
    "payload",
    [
        {"path": "{secret}"},
        {"path": "{secret}", **META},
        {"path": "/etc/passwd", **META},
        {"path": "/proc/self/environ", **META},
        {"path": "app.py", **META},
        {"path": "../../../../../../etc/passwd", **META},
        {"path": "{uploads}/../../../../../../../../etc/passwd", **META},
        {"path": "{uploads}/link", **META},
        {"path": "{uploads}/link"},
        {"url": "file://{secret}", **META},
        {"path": "file://{secret}", **META},
        {"path": "http://127.0.0.1:{port}/", **META},
        {"path": "http://localhost:{port}/gradio_api/info", **META},
        {"path": "http://[::1]:{port}/", **META},
        {"path": "http://2130706433:{port}/", **META},
        {"path": "http://169.254.169.254/latest/meta-data/", **META},
        {"path": "http://10.0.0.1/", **META},
    ],
    ids=lambda payload: payload.get("path") or payload.get("url") if isinstance(payload, dict) else None,
)
def test_no_path_or_link_reaches_into_the_server(tiny_app, endpoint, payload, secrets):
    # What would be answered if it were read.
    secret = secrets["video" if endpoint == "video" else "photo"]
    uploads = tiny_app.temporary / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "link").unlink(missing_ok=True)
    (uploads / "link").symlink_to(secret)
    port = tiny_app.url.rstrip("/").rpartition(":")[2]
    payload = {
        key: value.format(uploads=uploads, port=port, secret=secret) if isinstance(value, str) else value
        for key, value in payload.items()
    }
    data = {"predict": [payload], "many_photos": [[payload]], "video": [payload, 0]}[endpoint]
    event, content = tiny_endpoint(tiny_app, endpoint, data)
    assert event == "error", content
    assert "root:" not in content and "parse_args" not in content


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file={secret}",
        "gradio_api/file=app.py",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file={uploads}/../../../../../../../../etc/passwd",
        "gradio_api/file=file:///etc/passwd",
        "gradio_api/file=http://127.0.0.1:{port}/gradio_api/info",
        "gradio_api/file=http://localhost:{port}/gradio_api/info",
        "gradio_api/file=http://169.254.169.254/",
        "gradio_api/proxy=http://127.0.0.1:{port}/gradio_api/info",
        "gradio_api/stream/a/b/c/playlist-file",
        "file={secret}",
        "static/../../../app.py",
        "assets/../../../../../../../../etc/passwd",
        "theme.css/../../app.py",
        "custom_component/x/client/component/../../../../app.py",
    ],
)
def test_no_route_gives_a_file_of_the_server(tiny_app, path):
    port = tiny_app.url.rstrip("/").rpartition(":")[2]
    path = path.format(secret=SECRET, uploads=tiny_app.temporary / "uploads", port=port)
    # A plain socket's path: clients tidy up the dots.
    answer = httpx.get(httpx.URL(tiny_app.url).copy_with(raw_path=f"/{path}".encode()), timeout=60)
    assert answer.status_code >= 300 or "gradio" in answer.text[:3000].lower()
    assert "parse_args" not in answer.text and "root:x:" not in answer.text and "named_endpoints" not in answer.text


def test_no_endpoint_takes_a_model_or_writes_a_path(tiny_app):
    endpoints = httpx.get(f"{tiny_app.url}gradio_api/info", timeout=60).json()["named_endpoints"]
    inputs = {parameter["parameter_name"] for api in endpoints.values() for parameter in api["parameters"]}
    assert inputs == {"photo", "photos", "video", "smoothing"}


def test_an_upload_cannot_choose_its_folder(tiny_app, tmp_path):
    files = {"files": ("../../../evil.png", b"content")}
    answer = httpx.post(f"{tiny_app.url}gradio_api/upload", files=files, timeout=60)
    if answer.status_code == 200:
        assert Path(answer.json()[0]).resolve().is_relative_to(tiny_app.temporary)
    assert not list(tiny_app.temporary.parent.glob("**/../evil.png"))


def test_strangers_pages_may_not_call(tiny_app):
    """Gradio's strict CORS: a page elsewhere cannot read answers of an app on this machine."""
    answer = httpx.get(f"{tiny_app.url}config", headers={"Origin": "https://elsewhere.example"}, timeout=60)
    assert answer.headers.get("access-control-allow-origin") is None


class _Stream(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/small.png":
            self.wfile.write(b"small")
        else:
            for _ in range(40):
                self.wfile.write(bytes(100_000))

    def log_message(self, *arguments):
        pass


def test_links_are_fetched_within_the_limit(tmp_path, monkeypatch):
    async def any_address(host):
        return "127.0.0.1"

    monkeypatch.setattr(safehttpx, "async_validate_url", any_address)
    server = HTTPServer(("127.0.0.1", 0), _Stream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://photos.example:{server.server_port}"
        path = asyncio.run(links.fetch(f"{address}/small.png", str(tmp_path), most_mb=1))
        assert Path(path).read_bytes() == b"small" and Path(path).name == "small.png"
        with pytest.raises(gr.Error, match="more than 1 MB"):
            asyncio.run(links.fetch(f"{address}/large.png", str(tmp_path), most_mb=1))
        assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["small.png"]
    finally:
        server.shutdown()


def test_links_to_this_machine_are_not_fetched(tmp_path):
    with pytest.raises(gr.Error, match="public"):
        asyncio.run(links.fetch("http://127.0.0.1:9/x.png", str(tmp_path)))


def test_sweeping_takes_what_is_old(tmp_path):
    old, new, own = tmp_path / "a" / "old.png", tmp_path / "b" / "new.png", tmp_path / "c" / "own.png"
    for file in (old, new, own):
        file.parent.mkdir()
        file.write_bytes(b"x")
    for path in (old, own, old.parent, own.parent):
        os.utime(path, (0, 0))
    sweep(tmp_path, 100, frozenset([own]))
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"new.png", "own.png"}


def test_nothing_of_an_upload_survives(tiny_checkpoint, astronaut_file, tmp_path, monkeypatch):
    """Photo, set and MCP upload go in; once the cleaners have run, no folder for temporary files holds any."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert sum(layout.DELETE_CACHE) <= 600
    page = layout.build_page(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))
    own = own_files(page)
    assert own == {file for file in tmp_path.rglob("*") if file.is_file()}
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        client = Client(url, verbose=False, analytics_enabled=False)
        photo = handle_file(str(astronaut_file))
        assert client.predict(photo, api_name="/predict")["faces"]
        assert client.predict([photo, photo], api_name="/many_photos")[0]
        content = base64.b64encode(astronaut_file.read_bytes()).decode()
        save_base64_to_cache(f"data:image/png;base64,{content}", str(tmp_path / "uploads"))  # as MCP does
        assert {file for file in tmp_path.rglob("*") if file.is_file()} - own
        start_sweeping(own, every=0.2, seconds=1.0)
        deadline = time.monotonic() + 30
        while {file for file in tmp_path.rglob("*") if file.is_file()} - own and time.monotonic() < deadline:
            time.sleep(0.2)
        assert {file for file in tmp_path.rglob("*") if file.is_file()} == own
    finally:
        page.close()
