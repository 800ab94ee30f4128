"""Sleeping: it takes its time, and never less."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

import conc
from tests.kernel.support import run

# Sleeping.


def test_a_sleep_takes_its_time() -> None:
    async def main() -> None:
        start = conc.current_time()
        await conc.sleep(2.5)
        assert conc.current_time() == start + 2.5

    run(main)


@pytest.mark.parametrize("seconds", [0.0001, 0.0005, 0.001, 0.0123, 0.05])
def test_a_sleep_on_the_real_clock_is_never_early(seconds: float) -> None:
    async def main() -> None:
        for _ in range(3):
            start = conc.current_time()
            await conc.sleep(seconds)
            assert conc.current_time() - start >= seconds

    conc.run(main)


def test_a_sleep_of_nothing_lets_each_ready_task_run_once() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")
        await conc.sleep(0)
        trace.append("other again")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await conc.sleep(0)
            trace.append("main")

    run(main)
    assert trace == ["other", "main", "other again"]


def test_a_sleep_until_a_moment_that_has_passed_is_a_checkpoint() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await conc.sleep_until(-math.inf)
            trace.append("main")

    run(main)
    assert trace == ["other", "main"]


def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    order: list[float] = []

    async def sleeper(seconds: float) -> None:
        await conc.sleep(seconds)
        order.append(seconds)

    times = [0.5, 0.0101, 3.0, 0.0104, 0.0102, 1e-6, 0.0103, 2.0]

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for seconds in times:
                nursery.start_soon(sleeper, seconds)

    run(main)
    assert order == sorted(times)


def test_sleepers_of_one_deadline_wake_in_the_order_in_which_they_went_to_sleep() -> None:
    order: list[int] = []

    async def sleeper(number: int) -> None:
        await conc.sleep_until(7)
        order.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(sleeper, number)

    run(main)
    assert order == list(range(20))


@pytest.mark.parametrize("forever", [conc.sleep_forever, partial(conc.sleep, math.inf)])
def test_a_sleep_without_end_ends_by_cancellation(forever: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with conc.move_on_after(1000) as scope:
            await forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 1000

    run(main)
