"""How a time is cut into waits."""

from __future__ import annotations

import math

import pytest

from conc._os.patience import FINE_S, LONGEST_S, wait_in_naps, wait_patiently
from conc._os.poller import READ, Events

EVENT = [(5, READ)]


class Waits:
    """Records what is waited for, in seconds; after `silent` waits an event comes."""

    def __init__(self, silent: float = math.inf) -> None:
        self.coarse: list[int] = []
        self.fine: list[float] = []
        self.silent = silent

    def wait_coarsely(self, milliseconds: int) -> Events:
        self.coarse.append(milliseconds)
        return self.answer()

    def wait_finely(self, timeout: float) -> Events:
        self.fine.append(timeout)
        return self.answer()

    def answer(self) -> Events:
        return EVENT if len(self.coarse) + len(self.fine) > self.silent else []

    def run(self, timeout: float) -> Events:
        return wait_patiently(self.wait_coarsely, self.wait_finely, timeout)


@pytest.mark.parametrize("timeout", [0, 0.0005, 0.0019, 0.002, 0.0123456, 1.0, 3.9999, 100_000.0, 1e7 + 0.0007])
def test_the_waits_together_are_the_time_that_was_asked_for(timeout: float) -> None:
    waits = Waits()

    assert waits.run(timeout) == []
    assert sum(waits.coarse) / 1000 + sum(waits.fine) == pytest.approx(timeout, abs=1e-8)
    assert len(waits.fine) == 1
    assert waits.fine[0] < FINE_S


def test_a_short_time_is_one_fine_wait() -> None:
    waits = Waits()

    waits.run(0.0015)

    assert waits.coarse == []


def test_an_event_in_the_coarse_wait_ends_it_all() -> None:
    waits = Waits(silent=0)

    assert waits.run(1.0005) == EVENT
    assert waits.fine == []


def test_an_event_in_the_fine_wait_is_returned() -> None:
    assert Waits(silent=1).run(1.0005) == EVENT


def test_no_wait_is_longer_than_the_system_can_count() -> None:
    waits = Waits(silent=5)

    assert waits.run(math.inf) == EVENT
    assert waits.coarse == [LONGEST_S * 1000] * 6


def test_naps_end_with_the_first_event() -> None:
    answers: list[Events] = [[], [], EVENT]

    assert wait_in_naps(lambda: answers.pop(0), 10.0) == EVENT


def test_naps_look_once_when_there_is_no_time() -> None:
    answers: list[Events] = [EVENT]

    assert wait_in_naps(lambda: answers.pop(0), -1e-9) == EVENT
    assert answers == []
