"""Waits under a deadline: what timed out has not happened, what was granted has, and no timer is left of either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

import conc
from conc.lowlevel import Operation
from conc.sync import Barrier, CancellationToken, CapacityLimiter, Event, Notify, Semaphore, TaskTracker
from conc_testing import VirtualClock, settle
from tests.kernel.support import run


class Case(NamedTuple):
    """A wait that takes until somebody lets it through."""

    primitive: Any
    wait: Callable[[], Awaitable[object]]
    let_through: Callable[[], object]
    operation: Callable[[], Operation[Any]]  # the same for a select


def event() -> Case:
    event = Event()
    return Case(event, event.wait, event.set, event.waiting)


def semaphore() -> Case:
    semaphore = Semaphore(0)
    return Case(semaphore, semaphore.acquire, semaphore.release, semaphore.acquiring)


def notify_one() -> Case:
    notify = Notify()
    return Case(notify, notify.notified, notify.notify_one, notify.waiting)


def notify_waiters() -> Case:
    notify = Notify()
    return Case(notify, notify.notified, notify.notify_waiters, notify.waiting)


def token() -> Case:
    token = CancellationToken()
    return Case(token, token.wait, token.cancel, token.waiting)


def tracker() -> Case:
    tracker = TaskTracker()
    return Case(tracker, tracker.wait, tracker.close, tracker.waiting)


def limiter() -> Case:
    limiter = CapacityLimiter(0)
    return Case(limiter, limiter.acquire, lambda: setattr(limiter, "total_tokens", 1), limiter.acquiring)


cases = pytest.mark.parametrize("make", [event, semaphore, notify_one, notify_waiters, token, tracker, limiter])


@cases
def test_a_wait_that_timed_out_has_not_happened_and_stands_in_no_line(make: Callable[[], Case]) -> None:
    async def main() -> None:
        primitive, wait, let_through, _ = make()
        before = primitive.statistics()
        for _ in range(3):
            with conc.move_on_after(1) as scope:
                await wait()
            assert scope.cancelled_caught
        assert conc.current_time() == 3
        assert primitive.statistics() == before
        primitive._check()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle()
            let_through()

    run(main)


@cases
def test_a_wait_that_was_let_through_before_its_deadline_was_moved_to_now_has_happened(
    make: Callable[[], Case],
) -> None:
    trace: list[str] = []

    async def waiter(wait: Callable[[], Awaitable[object]], scope: conc.CancelScope) -> None:
        with scope:
            await wait()
            trace.append("let through")
            await conc.checkpoint()
            trace.append("not reached")
        assert scope.cancelled_caught

    async def main() -> None:
        case = make()
        scope = conc.CancelScope()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, case.wait, scope)
            await settle()
            case.let_through()
            scope.deadline = conc.current_time()
        case.primitive._check()

    run(main)
    assert trace == ["let through"]


@cases
def test_a_select_that_timed_out_leaves_the_line_to_others(make: Callable[[], Case]) -> None:
    async def main() -> None:
        case = make()
        assert await conc.select(case.operation(), conc.after(1)) == (1, None)
        case.primitive._check()
        async with conc.open_nursery() as nursery:
            losing = nursery.start_soon(conc.select, case.operation(), conc.after(1))
            winning = nursery.start_soon(conc.select, case.operation(), conc.after(5))
            await conc.sleep(2)
            case.let_through()
        assert losing.join_nowait() == (1, None)
        assert winning.join_nowait() == (0, None)
        case.primitive._check()

    run(main)


def test_parties_of_a_barrier_that_time_out_are_waited_for_again() -> None:
    async def main() -> None:
        barrier = Barrier(2)
        for _ in range(3):
            with conc.move_on_after(1) as scope:
                await barrier.wait()
            assert scope.cancelled_caught
            assert barrier.statistics().tasks_waiting == 0
        async with conc.open_nursery() as nursery:
            nursery.start_soon(barrier.wait)
            with conc.fail_after(1):
                await barrier.wait()

    run(main)


@cases
@pytest.mark.parametrize("cancel", [False, True])
def test_a_wait_that_ended_before_its_deadline_leaves_no_timer(make: Callable[[], Case], cancel: bool) -> None:
    clock = VirtualClock()

    async def waiter(wait: Callable[[], Awaitable[object]]) -> None:
        with conc.move_on_after(50):
            await wait()

    async def main() -> None:
        case = make()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(waiter, case.wait)
            await settle()
            if cancel:
                task.cancel()
            else:
                case.let_through()
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=clock)
    assert clock.now() == 0, "time went on until a timer that was left"
