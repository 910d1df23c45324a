"""Answers that nobody fetches."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest
from gradio import routes

from space.bounds import Leftovers
from space.limits import PROGRESS_SECONDS, UNREAD_SECONDS


class NoUploads:
    """How far uploads have come, as the framework remembers it."""

    def __init__(self):
        self._statuses, self._signals = {}, {}


@pytest.fixture
def queue():
    """As the framework's, with an answer that waits for one visitor, and one who listens."""
    boxes = {"gone": asyncio.Queue(), "listens": asyncio.Queue()}
    boxes["gone"].put_nowait("a photo")
    return SimpleNamespace(
        pending_messages_per_session=boxes, event_ids_to_events={}, pending_event_ids_session={"gone": {"1"}}
    )


def test_they_are_forgotten_after_a_while(queue):
    unread = Leftovers(queue, NoUploads())
    unread.drop(0.0)
    unread.drop(UNREAD_SECONDS - 1)
    assert set(queue.pending_messages_per_session) == {"gone", "listens"}
    unread.drop(UNREAD_SECONDS)
    assert set(queue.pending_messages_per_session) == {"listens"} and not queue.pending_event_ids_session


def test_what_is_under_way_or_fetched_starts_anew(queue):
    unread = Leftovers(queue, NoUploads())
    unread.drop(0.0)
    queue.event_ids_to_events["2"] = SimpleNamespace(session_hash="gone")
    unread.drop(UNREAD_SECONDS)
    assert "gone" in queue.pending_messages_per_session
    queue.event_ids_to_events.clear()
    unread.drop(UNREAD_SECONDS + 1)
    unread.drop(UNREAD_SECONDS + 2)
    assert "gone" in queue.pending_messages_per_session


def test_the_frameworks_queue_is_as_it_is_taken_for():
    from gradio.queueing import Queue

    queue = Queue(False, 1, 1.0, None, None)
    assert Leftovers(queue, NoUploads()).drop(0.0) is None


def test_names_of_sessions_whose_answers_were_fetched_go(queue):
    """A set for every request, for ever."""
    queue.pending_event_ids_session["listens"] = set()
    leftovers = Leftovers(queue, NoUploads())
    leftovers.drop(0.0)
    queue.event_ids_to_events["2"] = SimpleNamespace(session_hash="listens")
    leftovers.drop(UNREAD_SECONDS)
    assert "listens" in queue.pending_event_ids_session
    queue.event_ids_to_events.clear()
    leftovers.drop(UNREAD_SECONDS + 1)
    leftovers.drop(2 * UNREAD_SECONDS + 1)
    assert not queue.pending_event_ids_session and not queue.pending_messages_per_session


def test_how_far_uploads_had_come_goes(queue):
    """60 kB for every question about an upload that there is not, for ever."""
    progress = routes.file_upload_statuses
    progress.track("whole")
    progress._signals["asked for only"]
    leftovers = Leftovers(queue, progress)
    leftovers.drop(0.0)
    leftovers.drop(PROGRESS_SECONDS - 1)
    assert progress._statuses.keys() >= {"whole"} and progress._signals.keys() >= {"whole", "asked for only"}
    leftovers.drop(PROGRESS_SECONDS)
    assert not progress._statuses and not progress._signals


# The real app


def test_a_session_has_a_name_and_no_novel(tiny_app):
    """2 MB each, two thousand of them in the queue, two hundred for ever."""
    name = "x" * 100_000
    body = {"data": [], "fn_index": 0, "session_hash": name}
    joined = httpx.post(f"{tiny_app.url}gradio_api/queue/join", json=body, timeout=60)
    assert joined.status_code == 400 and "characters" in joined.text
    figures = httpx.post(f"{tiny_app.url}gradio_api/run/figures", json=body | {"session_hash": name}, timeout=60)
    assert figures.status_code == 500
    assert httpx.post(f"{tiny_app.url}gradio_api/run/figures", json={"data": []}, timeout=60).status_code == 200


def test_an_upload_brings_files_only(tiny_app):
    """What is no file was held in memory, up to the quota on disk."""
    answer = httpx.post(f"{tiny_app.url}gradio_api/upload", files={"files": (None, "x" * 1000)}, timeout=60)
    assert answer.status_code == 400 and "Only files" in answer.text
