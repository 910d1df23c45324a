"""Links are fetched from public addresses, and no more than may be uploaded."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio as gr
import pytest
import safehttpx

from space import links


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
