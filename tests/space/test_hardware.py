"""Turns at the model."""

import threading
import time

from space.hardware import FairLock, WorkTime, warm_up


def test_one_who_asks_again_at_once_comes_last():
    lock, order, asked = FairLock(), [], threading.Event()

    def long_work():
        for step in range(3):
            with lock:
                order.append(f"video {step}")
                asked.set()
                time.sleep(0.05)

    def short_work():
        asked.wait()
        with lock:
            order.append("photo")

    threads = [threading.Thread(target=work) for work in (long_work, short_work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == ["video 0", "photo", "video 1", "video 2"]


def test_an_error_lets_go():
    lock = FairLock()
    for _ in range(2):
        try:
            with lock:
                raise ValueError
        except ValueError:
            pass


def test_a_warm_up_goes_through_detector_and_network():
    used = []

    class Stand:
        detector = property(lambda self: self)

        def detect(self, image):
            used.append("detector")

        def occlusions(self, crop):
            used.append("network")

    warm_up(Stand())
    assert used == ["detector", "network"]


def test_the_turns_of_others_are_no_work(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    work = WorkTime(10)
    now = 9.0
    with work.paused():
        now = 100.0
    assert not work.is_over()
    now = 101.0
    assert work.is_over()
