"""Frames of a camera, and what is none."""

import base64
import io

import pytest
from PIL import Image

from grefel_hf import FacialExpressionPredictor
from space import limits
from space.frames import decode_frame
from space.tabs.live.handlers import LiveHandlers


def uri(image: Image.Image, kind: str = "jpeg") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_live_frames_that_are_none_are_refused(astronaut):
    assert decode_frame(uri(astronaut)).size == (512, 512)
    assert max(decode_frame(uri(astronaut.resize((2000, 1000)))).size) == limits.LIVE_SIDE
    for frame in (
        None,
        {"path": "/etc/passwd"},
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "data:image/png;base64,!!!",
        "data:image/svg+xml;base64,PHN2Zy8+",
        uri(astronaut.resize((3000, 10))),
        uri(astronaut, "gif"),
    ):
        with pytest.raises(ValueError, match="frame"):
            decode_frame(frame)


def test_who_stops_while_a_frame_is_under_way_keeps_no_seat_and_nothing_remembered(predictor, astronaut, monkeypatch):
    handlers = LiveHandlers(predictor)
    answer_frame = handlers._frame

    def stopped_meanwhile(image, memory):
        assert handlers.answer("first", {"stop": True}, memory) == ("", None)
        return answer_frame(image, memory)

    monkeypatch.setattr(handlers, "_frame", stopped_meanwhile)
    view, memory = handlers.answer("first", {"frame": uri(astronaut)}, None)
    assert "data-live" in view and memory is None
    for visitor in ("second", "third"):
        view, _ = handlers.answer(visitor, {}, None)
        assert 'data-place="0"' in view


def test_who_stops_waiting_no_longer_reads_of_a_queue(predictor):
    handlers = LiveHandlers(predictor)
    view = [handlers.answer(visitor, {}, None)[0] for visitor in ("first", "second", "third")][-1]
    assert "you are number 1 in the queue" in view
    assert handlers.answer("second", {"stop": True}, None) == ("", None)  # what was seen stays to be read
    assert handlers.answer("fourth", {}, None)[0].count("number 1 in the queue") == 1
    view, _ = handlers.answer("fourth", {"stop": True}, None)
    assert "Start the camera" in view and "queue" not in view


def test_each_person_has_a_timeline_and_keeps_their_number(tiny_checkpoint, astronaut):
    handlers = LiveHandlers(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))
    both = Image.new("RGB", (1024, 512))
    both.paste(astronaut, (0, 0))
    both.paste(astronaut, (512, 0))
    _, memory = handlers.answer("visitor", {"frame": uri(both)}, None)
    view, memory = handlers.answer("visitor", {"frame": uri(both)}, memory)
    first, second = (sorted(moment.answers) for moment in memory.moments)
    assert first == second and {1, 2} <= set(first)  # HOG may see a third face where the pictures meet
    assert view.count("gf-timeline") == len(first) and "Person 2" in view
    view, memory = handlers.answer("visitor", {"frame": "nonsense"}, memory)
    assert "has to be a picture" in view and len(memory.moments) == 2
    assert handlers.answer("visitor", {"stop": True}, memory) == ("", None)
