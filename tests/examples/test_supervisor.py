"""The supervisor starts again what fails: later each time, and not for ever."""

from __future__ import annotations

from itertools import pairwise

import pytest

import conc
from conc_testing import VirtualClock
from examples.supervisor import LONGEST_PAUSE_S, Supervisor, TooManyFailures, square_all


async def test_a_pool_of_workers_answers_everybody() -> None:
    assert await square_all(range(100)) == [number**2 for number in range(100)]


async def test_work_that_fails_is_started_again_after_a_pause_that_doubles(clock: VirtualClock) -> None:
    begun: list[float] = []

    async def work() -> None:
        begun.append(conc.current_time())
        if len(begun) < 5:
            raise OSError("not yet")

    await Supervisor(failures=10).keep(work)

    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert pauses == pytest.approx([0.01, 0.02, 0.04, 0.08])


async def test_the_pause_has_a_limit(clock: VirtualClock) -> None:
    begun: list[float] = []

    async def work() -> None:
        begun.append(conc.current_time())
        raise OSError("never")

    with pytest.raises(TooManyFailures):
        await Supervisor(failures=14, period=1000).keep(work)

    assert begun[-1] - begun[-2] == pytest.approx(LONGEST_PAUSE_S)


async def test_failures_that_are_long_ago_do_not_count(clock: VirtualClock) -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await conc.sleep(40)
        if runs < 6:
            raise OSError("once in a while")

    await Supervisor(failures=3, period=60).keep(work)
    assert runs == 6


async def test_too_many_failures_end_the_pool_with_the_last_error_as_the_cause() -> None:
    async def work() -> None:
        raise ValueError("broken for good")

    with pytest.raises(TooManyFailures, match="3 failures in 60 s") as caught:
        await Supervisor().keep(work)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_supervisor_that_is_cancelled_starts_nothing_again() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await conc.sleep_forever()

    with conc.move_on_after(1) as scope:
        await Supervisor().keep(work)
    assert scope.cancelled_caught
    assert runs == 1
