"""Frames of a camera, and what is none."""

import base64
import io

import gradio as gr
import pytest
from PIL import Image

from space import limits
from space.tabs.live.handlers import decode_frame


def test_live_frames_that_are_none_are_refused(astronaut):
    def uri(image: Image.Image, kind: str = "jpeg") -> dict:
        buffer = io.BytesIO()
        image.save(buffer, kind)
        return {"url": f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"}

    assert decode_frame(uri(astronaut)).size == (512, 512)
    assert max(decode_frame(uri(astronaut.resize((2000, 1000)))).size) == limits.LIVE_SIDE
    for payload in (
        None,
        {},
        {"path": "/etc/passwd"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1/"},
        {"url": "data:image/png;base64,!!!"},
        {"url": "data:image/svg+xml;base64,PHN2Zy8+"},
        uri(astronaut.resize((3000, 10))),
        uri(astronaut, "gif"),
    ):
        with pytest.raises(gr.Error):
            decode_frame(payload)
