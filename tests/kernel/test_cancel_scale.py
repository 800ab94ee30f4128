"""Cancelling very many, very deep and very stubborn things takes time in proportion, and nothing overflows."""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import run


def assert_in_proportion(work: Callable[[int], float], count: int) -> None:
    """`work(count)` gives the seconds that so many take: 16 times as many take about 16 times as long."""
    work(100)  # what is done once is done
    gc.collect()
    gc.disable()  # or the collector would look, in the larger work only, at all that the tests before have left
    try:
        few = min(work(count) for _ in range(3))
        many = min(work(16 * count) for _ in range(2))
    finally:
        gc.enable()
    assert many < 16 * 8 * few


async def _sleep_for_ever(_: object) -> None:
    await conc.sleep_forever()


async def _wait_for_event(event: Event) -> None:
    await event.wait()


async def _wait_for_permit(semaphore: Semaphore) -> None:
    await semaphore.acquire()


async def _sleep_long(_: object) -> None:
    await conc.sleep(1e6)


WAITS: list[Callable[[Any], Awaitable[None]]] = [_sleep_for_ever, _wait_for_event, _wait_for_permit, _sleep_long]


def test_cancelling_a_hundred_thousand_parked_tasks_is_quick() -> None:
    taken: list[float] = []

    async def main() -> None:
        event, semaphore = Event(), Semaphore(0)
        async with conc.open_nursery() as nursery:
            for number in range(100_000):
                wait = WAITS[number % 4]
                nursery.start_soon(wait, event if wait is _wait_for_event else semaphore)
            await settle()
            taken.append(time.process_time())
            nursery.cancel_scope.cancel()
        taken.append(time.process_time())
        event._check()
        semaphore._check()
        assert repr(event).count(" 0 waiting") == repr(semaphore).count(" 0 waiting") == 1

    run(main)
    assert taken[1] - taken[0] < 8


@pytest.mark.parametrize("order", ["last", "shuffled"])
@pytest.mark.parametrize("wait", WAITS)
def test_cancelling_waiters_one_by_one_takes_time_in_proportion(
    wait: Callable[[Any], Awaitable[None]], order: str
) -> None:
    def cancel_each(count: int) -> float:
        taken: list[float] = []

        async def main() -> None:
            shared = Event() if wait is _wait_for_event else Semaphore(0)
            async with conc.open_nursery() as nursery:
                tasks = [nursery.start_soon(wait, shared) for _ in range(count)]
                await settle()
                if order == "last":
                    tasks.reverse()
                else:
                    random.Random(1).shuffle(tasks)
                start = time.process_time()
                for task in tasks:
                    task.cancel()
                taken.append(time.process_time() - start)

        run(main)
        return taken[0]

    assert_in_proportion(cancel_each, 500)


def test_cancelling_joiners_one_by_one_takes_time_in_proportion() -> None:
    def cancel_each(count: int) -> float:
        taken: list[float] = []

        async def main() -> None:
            async with conc.open_nursery() as nursery:
                joined = nursery.start_soon(conc.sleep_forever)
                joiners = [nursery.start_soon(joined.join) for _ in range(count)]
                await settle()
                start = time.process_time()
                for joiner in reversed(joiners):
                    joiner.cancel()
                taken.append(time.process_time() - start)
                nursery.cancel_scope.cancel()

        run(main)
        return taken[0]

    assert_in_proportion(cancel_each, 1000)


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


def test_timeouts_that_never_fire_cost_the_same_however_many_there_were() -> None:
    def enter(count: int) -> float:
        async def main() -> None:
            for _ in range(count):
                with conc.move_on_after(1000):
                    await conc.checkpoint()

        start = time.process_time()
        run(main)
        return time.process_time() - start

    assert_in_proportion(enter, 1000)
