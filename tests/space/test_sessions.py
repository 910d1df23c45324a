"""Answers that nobody fetches."""

import asyncio
from types import SimpleNamespace

import pytest

from space.limits import UNREAD_SECONDS
from space.sessions import UnreadAnswers


@pytest.fixture
def queue():
    """As the framework's, with an answer that waits for one visitor, and one who listens."""
    boxes = {"gone": asyncio.Queue(), "listens": asyncio.Queue()}
    boxes["gone"].put_nowait("a photo")
    return SimpleNamespace(
        pending_messages_per_session=boxes, event_ids_to_events={}, pending_event_ids_session={"gone": {"1"}}
    )


def test_they_are_forgotten_after_a_while(queue):
    unread = UnreadAnswers(queue)
    unread.drop(0.0)
    unread.drop(UNREAD_SECONDS - 1)
    assert set(queue.pending_messages_per_session) == {"gone", "listens"}
    unread.drop(UNREAD_SECONDS)
    assert set(queue.pending_messages_per_session) == {"listens"} and not queue.pending_event_ids_session


def test_what_is_under_way_or_fetched_starts_anew(queue):
    unread = UnreadAnswers(queue)
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
    assert UnreadAnswers(queue).drop(0.0) is None
