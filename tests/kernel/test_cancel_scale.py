"""Cancelling very many, very deep and very stubborn things takes time in proportion, and nothing overflows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

import conc
from conc.sync import Event, Semaphore
from tests.kernel.support import run, settle


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


async def _sleep_for_ever(_: object) -> None:
    await conc.sleep_forever()


async def _wait_for_event(event: object) -> None:
    assert isinstance(event, Event)
    await event.wait()


async def _wait_for_permit(semaphore: object) -> None:
    assert isinstance(semaphore, Semaphore)
    await semaphore.acquire()


async def _sleep_long(_: object) -> None:
    await conc.sleep(1e6)


async def _join_one(task: object) -> None:
    assert isinstance(task, conc.Task)
    await task.join()


WAITS = [_sleep_for_ever, _wait_for_event, _wait_for_permit, _sleep_long]


@pytest.mark.parametrize("wait", WAITS)
def test_cancelling_a_hundred_thousand_parked_tasks_is_quick(wait: Callable[[object], object]) -> None:
    count = 100_000
    taken: list[float] = []

    async def main() -> None:
        shared = Event() if wait is _wait_for_event else Semaphore(0)
        async with conc.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(wait, shared)  # type: ignore[arg-type]
            await settle()
            taken.append(time.perf_counter())
            nursery.cancel_scope.cancel()
        taken.append(time.perf_counter())

    run(main)
    assert taken[1] - taken[0] < 6


def test_cancelling_many_joiners_one_by_one_takes_time_in_proportion() -> None:
    def cancel_each(count: int) -> None:
        async def main() -> None:
            async with conc.open_nursery() as nursery:
                joined = nursery.start_soon(conc.sleep_forever)
                joiners = [nursery.start_soon(_join_one, joined) for _ in range(count)]
                await settle()
                for joiner in reversed(joiners):
                    joiner.cancel()
                await settle()
                joined.cancel()

        run(main)

    cancel_each(100)
    few, many = seconds(lambda: cancel_each(1000)), seconds(lambda: cancel_each(16_000))
    assert many < 16 * 5 * few


def test_a_thousand_nested_scopes_are_left_by_one_cancellation() -> None:
    left: list[bool] = []

    async def nest(depth: int) -> None:
        with conc.CancelScope() as scope:
            if depth:
                await nest(depth - 1)
            else:
                await conc.sleep_forever()
        left.append(scope.cancelled_caught)

    async def main() -> None:
        with conc.move_on_after(1) as outer:
            await nest(999)
        assert outer.cancelled_caught

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        run(main)
    finally:
        sys.setrecursionlimit(limit)
    assert left == []


def test_a_thousand_nested_scopes_each_cancelled_are_each_left() -> None:
    async def main() -> None:
        scopes = [conc.CancelScope() for _ in range(1000)]
        for scope in scopes:
            scope.__enter__()
        for scope in reversed(scopes):
            scope.cancel()
            try:
                await conc.checkpoint()
            except conc.Cancelled as cancelled:
                assert scope.__exit__(type(cancelled), cancelled, None)
        assert all(scope.cancelled_caught for scope in scopes)
        await conc.checkpoint()

    run(main)


def test_a_thousand_nested_nurseries_are_ended_by_one_cancellation() -> None:
    async def nest(depth: int) -> None:
        async with conc.open_nursery() as nursery:
            if depth:
                nursery.start_soon(nest, depth - 1)
            await conc.sleep_forever()

    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await nest(1000)
        assert scope.cancelled_caught

    run(main)


def test_an_error_at_the_bottom_of_many_nurseries_arrives_at_the_top() -> None:
    async def nest(depth: int) -> None:
        async with conc.open_nursery() as nursery:
            if depth:
                nursery.start_soon(nest, depth - 1)
            else:
                raise ValueError("at the bottom")

    with pytest.raises(ExceptionGroup) as caught:
        run(nest, 100)
    error: BaseException = caught.value
    depth = 0
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
        depth += 1
    assert str(error) == "at the bottom"
    assert depth == 101


def test_ten_thousand_nested_awaits_wait_and_are_cancelled() -> None:
    async def nest(depth: int) -> None:
        if depth:
            await nest(depth - 1)
        else:
            await conc.sleep_forever()

    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await nest(10_000)
        assert scope.cancelled_caught

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(30_000)
    try:
        run(main)
    finally:
        sys.setrecursionlimit(limit)


def test_a_task_that_runs_into_the_recursion_limit_fails_alone() -> None:
    async def dive() -> None:
        await dive()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(dive)
        assert isinstance(caught.value.exceptions[0], RecursionError)
        await conc.sleep(1)

    run(main)


def test_a_chain_of_awaits_at_the_recursion_limit_loses_no_grant() -> None:
    async def dive(semaphore: Semaphore, depth: int) -> None:
        if depth:
            await dive(semaphore, depth - 1)
        else:
            async with semaphore:
                await conc.checkpoint()

    async def main() -> None:
        semaphore = Semaphore(1)
        failures = 0
        for depth in range(sys.getrecursionlimit() - 120, sys.getrecursionlimit()):
            try:
                await dive(semaphore, depth)
            except RecursionError:
                failures += 1
            assert semaphore.value == 1, depth
            semaphore._check()
        assert failures

    run(main)


def test_timeouts_that_never_fire_leave_nothing_behind() -> None:
    def enter(count: int) -> None:
        async def main() -> None:
            for _ in range(count):
                with conc.move_on_after(1000):
                    await conc.checkpoint()

        run(main)

    enter(100)
    few, many = seconds(lambda: enter(1000)), seconds(lambda: enter(20_000))
    assert many < 20 * 5 * few
