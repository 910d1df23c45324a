"""Whose turn it is at the camera."""

from space.limits import LIVE_SECONDS, LIVE_VISITORS
from space.tabs.live.seats import SILENT_SECONDS, Seats


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_visitors_wait_in_the_order_in_which_they_came():
    seats = Seats(Clock())
    assert LIVE_VISITORS == 2
    assert [seats.ask(name) for name in "abcd"] == [0, 0, 1, 2]
    assert not seats.leave("a")
    assert [seats.ask(name) for name in "dcb"] == [1, 0, 0]
    assert seats.leave("d") and not seats.leave("d")  # was waiting


def test_a_turn_ends_and_the_visitor_queues_again():
    clock = Clock()
    seats = Seats(clock)
    assert [seats.ask(name) for name in "abc"] == [0, 0, 1]
    while clock.now < LIVE_SECONDS:
        clock.now += SILENT_SECONDS / 2
        places = [seats.ask(name) for name in "abc"]
    assert places == [None, None, 0]
    assert [seats.ask(name) for name in "abc"] == [0, 1, 0]


def test_whoever_falls_silent_has_gone():
    clock = Clock()
    seats = Seats(clock)
    assert [seats.ask(name) for name in "abc"] == [0, 0, 1]
    clock.now = SILENT_SECONDS + 1
    assert seats.ask("d") == 0


def test_who_waits_for_an_answer_is_not_silent_and_who_has_left_does_not_come_back_by_it():
    clock = Clock()
    seats = Seats(clock)
    assert [seats.ask(name) for name in "abc"] == [0, 0, 1]
    clock.now = SILENT_SECONDS
    assert seats.heard("a") and seats.heard("b")
    clock.now += 1
    assert seats.ask("d") == 1
    seats.leave("a")
    assert not seats.heard("a")
    assert [seats.ask(name) for name in "dea"] == [0, 1, 2]
