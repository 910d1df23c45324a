"""Links are fetched from public addresses, and no more than may be uploaded."""

import asyncio
import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gradio as gr
import pytest
import safehttpx

from grefel_hf import FacialExpressionPredictor
from space import links
from space.limits import LINKS_AT_ONCE, MODEL
from space.page import build_page


class _Stream(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/small.png":
            self.wfile.write(b"small")
        elif self.path == "/drip.png":
            with contextlib.suppress(OSError):  # the one who asked has gone
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
        else:
            for _ in range(40):
                self.wfile.write(bytes(100_000))

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], monkeypatch: pytest.MonkeyPatch):
    """The address of a server on loopback that passes for one on the internet."""

    async def any_address(host):
        return "127.0.0.1"

    monkeypatch.setattr(safehttpx, "async_validate_url", any_address)
    monkeypatch.setattr(links, "is_public", lambda address: True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://photos.example:{server.server_port}"
    finally:
        server.shutdown()


def test_links_are_fetched_within_the_limit(tmp_path, monkeypatch):
    with serving(_Stream, monkeypatch) as address:
        path = asyncio.run(links.fetch(f"{address}/small.png", str(tmp_path), most_mb=1))
        assert Path(path).read_bytes() == b"small" and Path(path).name == "small.png"
        with pytest.raises(gr.Error, match="more than 1 MB"):
            asyncio.run(links.fetch(f"{address}/large.png", str(tmp_path), most_mb=1))
        begun = time.monotonic()
        with pytest.raises(gr.Error, match="did not come within 0.5 seconds"):
            asyncio.run(links.fetch(f"{address}/drip.png", str(tmp_path), seconds=0.5))
        assert time.monotonic() - begun < 5
        assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["small.png"]


def test_links_to_this_machine_are_not_fetched(tmp_path):
    with pytest.raises(gr.Error, match="public"):
        asyncio.run(links.fetch("http://127.0.0.1:9/x.png", str(tmp_path)))


def test_few_links_are_fetched_at_once(tmp_path, monkeypatch):
    over = asyncio.Event()

    async def slow(link, folder, most_mb):
        await over.wait()

    async def ask():
        asked = [asyncio.create_task(links.fetch("http://photos.example/", str(tmp_path))) for _ in range(5)]
        await asyncio.sleep(0.05)
        over.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    monkeypatch.setattr(links, "_fetch", slow)
    refused = [answer for answer in asyncio.run(ask()) if isinstance(answer, gr.Error)]
    assert len(refused) == 1 and "Too many links" in str(refused[0])
    assert LINKS_AT_ONCE < MODEL["concurrency_limit"]  # so that links that drip leave places to photos


def test_the_links_of_a_request_have_a_time_in_all(tmp_path, monkeypatch):
    """Three thousand that drip held one of the few places for 16 hours."""
    monkeypatch.setattr(links, "LINKS_SECONDS", 0.3)
    asked = []

    async def slow(link, folder, seconds):
        asked.append(seconds)
        await asyncio.sleep(min(seconds, 0.2))
        return "file"

    monkeypatch.setattr(links, "fetch", slow)

    async def request():
        with pytest.raises(gr.Error, match="links did not come within 0.3 seconds"):
            for _ in range(5):
                await component.async_move_resource_to_block_cache("http://photos.example/")

    with gr.Blocks():
        component = links.bounded(gr.File())
    asyncio.run(request())
    assert len(asked) < 5 and asked[-1] < 0.2
    asyncio.run(request())  # another one begins anew
    assert asked[-2] > 0.2


def test_what_a_link_sends_packed_is_not_unpacked(tmp_path, monkeypatch):
    packed = gzip.compress(bytes(3_000_000))

    class Packed(_Stream):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(packed)

    with serving(Packed, monkeypatch) as address:
        path = asyncio.run(links.fetch(f"{address}/", str(tmp_path), most_mb=1))
        assert Path(path).read_bytes() == packed


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("198.18.0.1", "192.0.2.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:100.64.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "::7f00:1", "ff02::1"),
        "2001:0:7f00:1::",
    ],
)
def test_addresses_that_are_not_global_are_refused(address):
    assert not links.is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_global_addresses_are_public(address):
    assert links.is_public(address)


def test_a_redirect_into_the_network_is_refused(tmp_path, monkeypatch):
    class Redirect(_Stream):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "http://inside.example/")
            self.end_headers()

    async def resolve(host):
        return {"photos.example": "127.0.0.1", "inside.example": "100.64.0.1"}[host]

    monkeypatch.setattr(safehttpx, "async_validate_url", resolve)
    monkeypatch.setattr(links, "is_public", lambda address: address == "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(gr.Error, match="public addresses"):
            asyncio.run(links.fetch(f"http://photos.example:{server.server_port}/", str(tmp_path)))
    finally:
        server.shutdown()


def test_every_file_input_of_the_page_is_bounded(tiny_checkpoint):
    page = build_page(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))
    inputs = {block for event in page.fns.values() for block in event.inputs if block.get_block_name() in FILES}
    assert len(inputs) >= 5
    assert all("move" in block.async_move_resource_to_block_cache.__name__ for block in inputs)
    assert all(block.async_move_resource_to_block_cache.__qualname__.startswith("bounded") for block in inputs)


FILES = ("image", "video", "file")
