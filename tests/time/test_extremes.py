"""Numbers beyond all measure: a time that cannot be told is never, or long ago; and no error."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

import conc
from conc.task.selects import select
from conc.time import DelayQueue

HUGE = [1e308, math.inf, 10**400]


@pytest.mark.parametrize("time", HUGE)
@pytest.mark.parametrize("wait", [conc.sleep, conc.sleep_until, lambda time: select(conc.after(time), conc.at(time))])
async def test_a_wait_for_what_never_comes_ends_by_cancellation(
    wait: Callable[[float], Awaitable[object]], time: float
) -> None:
    with conc.move_on_after(1000) as scope:
        await wait(time)

    assert scope.cancelled_caught
    assert conc.current_time() == 1000


@pytest.mark.parametrize("time", HUGE)
@pytest.mark.parametrize("make", [conc.move_on_after, conc.fail_after, conc.move_on_at, conc.fail_at])
async def test_a_limit_beyond_all_measure_is_none(make: Callable[[float], conc.CancelScope], time: float) -> None:
    with make(time) as scope:
        await conc.sleep(1e300)

    assert not scope.cancelled_caught


@pytest.mark.parametrize("time", [-1e308, -math.inf, -(10**400)])
async def test_a_moment_before_all_time_has_passed(time: float) -> None:
    await conc.sleep_until(time)
    await select(conc.at(time))
    with conc.move_on_at(time) as scope:
        await conc.checkpoint()

    assert scope.cancelled_caught
    assert conc.current_time() == 0


@pytest.mark.parametrize("time", HUGE)
async def test_an_item_that_never_comes_can_be_had_by_its_key(time: float) -> None:
    queue = DelayQueue[str]()
    keys = [queue.insert("a", time), queue.insert_at("b", time)]
    with conc.move_on_after(1000):
        await queue.receive()

    assert conc.current_time() == 1000
    assert [queue.remove(key) for key in keys] == ["a", "b"]


@pytest.mark.parametrize("seconds", [-1, -1e308, -math.inf, -(10**400)])
def test_a_negative_length_of_time_is_refused_however_large(seconds: float) -> None:
    for make in (conc.move_on_after, conc.fail_after, conc.after, partial(conc.interval, missed="skip")):
        with pytest.raises(ValueError, match="must be"):
            make(seconds)
