"""Waiting for ticks: resets, cancellation, selects and strands; no tick is lost."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

import conc
from conc.errors import BusyResource
from conc.sync import Event
from conc.task.selects import select
from conc.time import Interval
from conc.time.alarms import after
from conc_testing import VirtualClock, settle
from tests.time.support import take

# Resets.


async def test_a_reset_begins_to_count_anew() -> None:
    ticks = conc.interval(10)
    await ticks.tick()
    await conc.sleep(3)

    ticks.reset()

    assert await take(ticks, 3) == [13, 23, 33]


async def test_a_reset_to_a_length_of_time_or_a_moment_shifts_all_later_ticks() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    ticks.reset_after(4)
    assert await take(ticks, 2) == [4, 14]
    ticks.reset_at(50)
    assert await take(ticks, 2) == [50, 60]
    ticks.reset_after(0)
    assert await take(ticks, 2) == [60, 70]


@pytest.mark.parametrize(("missed", "seen"), [("burst", [1, 2, 3]), ("delay", [1, 6, 7]), ("skip", [1, 6, 7])])
async def test_a_reset_to_the_past_is_caught_up_with_by_the_rule(missed: str, seen: list[float]) -> None:
    ticks = conc.interval(1, missed=missed)  # type: ignore[arg-type]
    await conc.sleep(5)

    ticks.reset_at(1)

    assert await take(ticks, 3) == seen


async def test_a_reset_before_the_first_tick_puts_it_off() -> None:
    ticks = conc.interval(10)
    ticks.reset()

    assert await take(ticks, 2) == [10, 20]


async def test_a_reset_to_the_future_discards_what_was_missed() -> None:
    ticks = conc.interval(1)
    await ticks.tick()
    await conc.sleep(5)

    ticks.reset()

    assert await take(ticks, 2) == [6, 7]


@pytest.mark.parametrize(("deadline", "woken"), [(3, 3), (15, 15), (0, 2), (2, 2)])
async def test_a_reset_moves_the_wait_of_another_task(deadline: float, woken: float) -> None:
    ticks = conc.interval(10)
    await ticks.tick()
    seen: list[tuple[float, float]] = []

    async def waiter() -> None:
        seen.append((await ticks.tick(), conc.current_time()))

    async with conc.open_nursery() as nursery:
        nursery.start_soon(waiter)
        await conc.sleep(2)
        ticks.reset_at(deadline)

    assert seen == [(deadline, woken)]


async def test_a_reset_to_never_and_back_lets_a_waiting_task_wait_on() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(ticks.tick)
        await conc.sleep(2)
        ticks.reset_after(math.inf)
        await conc.sleep(100)
        assert task.outcome is None
        ticks.reset_after(5)

    assert await task.join() == conc.current_time() == 107


async def test_a_tick_that_came_just_before_a_reset_is_taken() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(ticks.tick)
        await settle()
        await conc.sleep_until(10)  # set later than the tick, so that was given out just before
        ticks.reset_at(30)

    assert task.join_nowait() == 10
    assert await ticks.tick() == 30


@pytest.mark.parametrize("deadline", [math.nan, -math.inf])
async def test_a_reset_to_no_moment_is_refused(deadline: float) -> None:
    with pytest.raises(ValueError, match="deadline"):
        conc.interval(1).reset_at(deadline)


async def test_a_reset_to_a_negative_length_of_time_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds"):
        conc.interval(1).reset_after(-1)
    with pytest.raises(TypeError, match="seconds"):
        conc.interval(1).reset_after("soon")  # type: ignore[arg-type]


# Cancellation.


async def test_a_wait_for_a_tick_that_is_cancelled_uses_no_tick_up() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    for _ in range(3):
        with conc.move_on_after(2) as scope:
            await ticks.tick()
        assert scope.cancelled_caught

    assert await take(ticks, 2) == [10, 20]


def test_a_cancelled_wait_leaves_no_timer_behind() -> None:
    clock = VirtualClock()

    async def main() -> None:
        ticks = conc.interval(1000)
        await ticks.tick()
        with conc.move_on_after(1):
            await ticks.tick()
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=clock)
    assert clock.now() == 1


async def test_a_tick_that_came_before_the_cancellation_is_returned() -> None:
    ticks = conc.interval(10)
    await ticks.tick()
    trace: list[object] = []

    async def waiter() -> None:
        trace.append(await ticks.tick())
        await conc.checkpoint()
        trace.append("not reached")

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(waiter)
        await settle()
        await conc.sleep_until(10)  # set later than the tick, so that was given out just before
        task.cancel()

    assert trace == [10]
    assert await ticks.tick() == 20


async def test_a_cancellation_that_came_before_the_tick_wins() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(ticks.tick)
        nursery.start_soon(conc.sleep_forever)
        await settle()
        nursery.cancel_scope.deadline = 9.999

    assert await ticks.tick() == 10


async def test_a_tick_that_is_due_does_not_wait_for_all_who_yield(clock: VirtualClock) -> None:
    steps = 0
    woken: list[int] = []
    ticks = conc.interval(10)
    await ticks.tick()

    async def yielder() -> None:
        nonlocal steps
        while not woken:
            steps += 1
            await conc.checkpoint()

    async def waiter() -> None:
        await ticks.tick()
        woken.append(steps)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(waiter)
        await settle()
        for _ in range(5000):
            nursery.start_soon(yielder)
        await conc.checkpoint()
        clock.jump(10)
        before = steps

    assert woken[0] - before < 200


# One at a time, and in selects.


async def test_a_second_task_that_waits_for_the_same_interval_is_refused() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(ticks.tick)
        await settle()
        with pytest.raises(BusyResource, match="make an interval for each"):
            await ticks.tick()
        with pytest.raises(BusyResource) as caught:
            await select(after(1), ticks.ticking(), biased=True)
        assert caught.value.branch == 1

    assert task.join_nowait() == 10
    assert await ticks.tick() == 20


async def test_a_tick_may_be_one_branch_of_a_select() -> None:
    ticks = conc.interval(10)
    event = Event()

    seen = [await select(ticks.ticking(), event.waiting()) for _ in range(3)]
    event.set()
    seen.append(await select(ticks.ticking(), event.waiting()))

    assert seen == [(0, 0), (0, 10), (0, 20), (1, None)]
    assert await ticks.tick() == 30


async def test_a_select_that_took_another_branch_has_used_no_tick_up() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    assert await select(ticks.ticking(), after(3)) == (1, None)
    assert await select(after(3), ticks.ticking()) == (0, None)
    assert await take(ticks, 2) == [10, 20]


async def test_a_select_that_was_cancelled_has_used_no_tick_up() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    with conc.move_on_after(1):
        await select(ticks.ticking(), Event().waiting())

    assert await take(ticks, 2) == [10, 20]


async def test_a_tick_that_comes_when_another_branch_was_just_taken_stays_for_the_next() -> None:
    ticks = conc.interval(10)
    event = Event()
    await ticks.tick()

    async def setter() -> None:
        await conc.sleep_until(10)
        event.set()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(setter)  # its timer stands before that of the tick
        await settle()
        index, _ = await select(event.waiting(), ticks.ticking())

    following = await ticks.tick()
    assert (index, following) in {(0, 10), (1, 20)}


async def test_a_select_that_leaves_late_disturbs_nobody_who_waits_by_then(clock: VirtualClock) -> None:
    ticks = conc.interval(10)
    event = Event()
    await ticks.tick()
    seen: list[object] = []

    async def late() -> None:
        seen.append(await select(ticks.ticking(), event.waiting()))

    async def other() -> None:
        await conc.sleep(10)
        seen.extend(await take(ticks, 2))

    async def yielder() -> None:
        while not seen:
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(late)
        nursery.start_soon(other)
        await settle()
        for _ in range(500):  # so many that what is due comes before the select has its turn
            nursery.start_soon(yielder)
        await conc.checkpoint()
        event.set()
        clock.jump(10)

    assert seen == [(1, None), 10, 20]


async def test_a_reset_moves_the_branch_of_a_select() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(select, ticks.ticking(), Event().waiting())
        await settle()
        ticks.reset_at(4)

    assert task.join_nowait() == (0, 4)
    assert conc.current_time() == 4


async def test_both_branches_of_a_select_may_be_the_same_interval() -> None:
    ticks = conc.interval(10)
    await ticks.tick()

    assert (await select(ticks.ticking(), ticks.ticking()))[1] == 10
    assert await ticks.tick() == 20


# Strands.


@pytest.mark.conc(workers=2)
async def test_strands_may_use_an_interval_one_after_the_other() -> None:
    ticks = conc.interval(10)
    seen: list[list[float]] = []

    async def use() -> None:
        seen.append(await take(ticks, 2))

    for _ in range(3):
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(use)

    assert seen == [[0, 10], [20, 30], [40, 50]]


@pytest.mark.parametrize("reset", [Interval.reset, lambda ticks: ticks.reset_at(3), lambda ticks: ticks.reset_after(3)])
async def test_a_reset_from_another_thread_while_a_task_waits_is_refused(reset: Callable[[Interval], None]) -> None:
    ticks = conc.interval(10)
    await ticks.tick()
    errors: list[BaseException] = []

    async def elsewhere() -> None:
        try:
            reset(ticks)
        except BusyResource as error:
            errors.append(error)

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(ticks.tick)
        await settle()
        await conc.to_thread(conc.run, elsewhere)

    assert "another worker" in str(errors[0])
    assert task.join_nowait() == 10


async def test_the_text_of_an_interval_says_how_it_stands() -> None:
    ticks = conc.interval(2.5)
    assert repr(ticks) == "<Interval every 2.5 s, not begun>"
    assert ticks.period == 2.5

    await ticks.tick()
    assert repr(ticks) == "<Interval every 2.5 s, next at 2.5 s>"

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(ticks.tick)
        await settle()
        assert "waits for Interval.tick, every 2.5 s" in repr(task)
