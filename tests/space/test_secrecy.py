"""Nothing of the server can be read: what was tried, by page and API."""

from pathlib import Path

import httpx
import pytest

from space.tabs.photo.examples import EXAMPLE
from tests.helpers.page_driver import ROOT
from tests.helpers.tiny import FILE_DATA, tiny_endpoint
from tests.helpers.video_clips import scene, write_clip

SECRET = str(ROOT / "app.py")


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
        {"path": "{secret}", **FILE_DATA},
        {"path": "/etc/passwd", **FILE_DATA},
        {"path": "/proc/self/environ", **FILE_DATA},
        {"path": "app.py", **FILE_DATA},
        {"path": "../../../../../../etc/passwd", **FILE_DATA},
        {"path": "{uploads}/../../../../../../../../etc/passwd", **FILE_DATA},
        {"path": "{uploads}/link", **FILE_DATA},
        {"path": "{uploads}/link"},
        {"url": "file://{secret}", **FILE_DATA},
        {"path": "file://{secret}", **FILE_DATA},
        {"path": "http://127.0.0.1:{port}/", **FILE_DATA},
        {"path": "http://localhost:{port}/gradio_api/info", **FILE_DATA},
        {"path": "http://[::1]:{port}/", **FILE_DATA},
        {"path": "http://2130706433:{port}/", **FILE_DATA},
        {"path": "http://169.254.169.254/latest/meta-data/", **FILE_DATA},
        {"path": "http://10.0.0.1/", **FILE_DATA},
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
