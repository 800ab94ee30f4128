from __future__ import annotations

import math
import time

from conc._os.clock import Clock, MonotonicClock


def test_real_time_is_the_monotonic_clock_of_the_system() -> None:
    clock: Clock = MonotonicClock()

    before = time.monotonic()
    now = clock.now()
    after = time.monotonic()

    assert before <= now <= after
    assert not clock.virtual


def test_idling_for_a_deadline_takes_the_seconds_that_are_left() -> None:
    clock = MonotonicClock()

    left = clock.idle(clock.now() + 100.0)

    assert left is not None
    assert 99.0 < left <= 100.0


def test_a_deadline_that_has_passed_is_not_waited_for() -> None:
    clock = MonotonicClock()

    assert clock.idle(clock.now() - 1.0) == 0.0


def test_without_a_deadline_idling_has_no_end() -> None:
    assert MonotonicClock().idle(math.inf) is None


def test_real_time_passes_by_itself() -> None:
    clock = MonotonicClock()

    assert not clock.advance_when_idle(clock.now() + 1.0)
    assert not clock.advance_when_idle(math.inf)
