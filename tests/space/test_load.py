"""
Fifty visitors at once. Not in the usual run:

    make test ARGS="-m slow tests/space/test_load.py -s"

prints how many were answered or refused, how long they waited, and the memory before and after. More visitors, of
other kinds, and thousands of photos: tests/benchmarks/benchmark_load.py.
"""

import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from space.limits import QUEUE_SIZE
from tests.helpers.page_driver import offline_environment, running_app
from tests.helpers.visitors import MOST_SECONDS, megabytes, outcome, photo_visitor, process_of

VISITORS = 50
ROUNDS = 2
pytestmark = pytest.mark.slow


def test_fifty_visitors_are_answered_queued_or_refused(astronaut_file, tmp_path):
    environment = offline_environment(GRADIO_TEMP_DIR=str(tmp_path / "uploads"))
    with running_app("--detector", "hog", log=tmp_path / "app.log", environment=environment) as url:
        process = process_of(url)
        outcome(photo_visitor, url, astronaut_file)
        before = megabytes(process)
        levels = []
        for number in range(ROUNDS):
            begun = time.monotonic()
            with ThreadPoolExecutor(VISITORS) as pool:
                outcomes = list(pool.map(lambda _: outcome(photo_visitor, url, astronaut_file), range(VISITORS)))
            seconds = [wait for _, wait in outcomes]
            kinds = Counter(kind for kind, _ in outcomes)
            time.sleep(5)
            levels.append(megabytes(process))
            print(
                f"\nround {number + 1}: {dict(kinds)}, waited {statistics.median(seconds):.1f} s in the middle, "
                f"{max(seconds):.1f} s at most, {time.monotonic() - begun - 5:.1f} s in all; "
                f"memory {before:.0f} MB before, {levels[-1]:.0f} MB after"
            )
            assert set(kinds) <= {"answered", "refused", "refused by the queue", "refused by the upload"}
            assert kinds["answered"] >= min(VISITORS, QUEUE_SIZE) - 5
            assert httpx.get(url, timeout=30).status_code == 200
        assert levels[-1] < 1.1 * levels[0] + 50  # what the first round took is used again
        assert "Traceback" not in (tmp_path / "app.log").read_text()


def test_more_visitors_than_the_queue_holds_are_told(tiny_app, astronaut_file):
    path = tiny_app.upload(astronaut_file)
    payload = {"data": [[{"path": path, "meta": {"_type": "gradio.FileData"}}] * 50]}  # slow ones
    with httpx.Client(timeout=MOST_SECONDS) as client:
        answers = [
            client.post(f"{tiny_app.url}gradio_api/call/many_photos", json=payload) for _ in range(QUEUE_SIZE + 5)
        ]
        refused = [answer for answer in answers if answer.status_code != 200]
        print(f"\n{len(answers)} requests: {len(refused)} refused, {refused[0].text if refused else ''}")
        assert refused and all("queue" in answer.text.lower() for answer in refused)
        assert client.get(tiny_app.url).status_code == 200
