"""Photos by link: fetched within limits of size and time."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from grefel_hf.faces.links import LinkError, fetch
from grefel_hf.faces.photos import PhotoError, load_photo


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            return self.end_headers()
        self.send_response(200)
        self.end_headers()
        if self.path == "/drip":
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
        content = io.BytesIO()
        Image.new("RGB", (40, 20), "red").save(content, "png")
        self.wfile.write(content.getvalue())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_link_is_a_photo(server):
    assert load_photo(f"{server}/photo").size == (40, 20)


@pytest.mark.parametrize(
    ("path", "words"), [("/missing", "404"), ("/away", "/away cannot be fetched"), ("/photo?most=9", "is")]
)
def test_what_cannot_be_fetched_is_named(server, path, words):
    if "most" in path:
        with pytest.raises(LinkError, match="more than 9e-06 MB"):
            fetch(server + path, most=9)
    else:
        with pytest.raises(PhotoError, match=words):
            load_photo(server + path)


def test_a_server_that_drips_is_left(server):
    start = time.monotonic()
    with pytest.raises(LinkError, match="did not come within 0.5 s"):
        fetch(f"{server}/drip", seconds=0.5)
    assert time.monotonic() - start < 2


def test_no_server(server):
    with pytest.raises(PhotoError, match="http://127.0.0.1:9/x.jpg cannot be fetched"):
        load_photo("http://127.0.0.1:9/x.jpg")
