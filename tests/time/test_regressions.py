"""What has gone wrong with time elsewhere, and may not here. Each test says in its name what must hold."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
import conc.time
from conc.channels import mpsc
from conc.errors import ChannelEmpty
from conc.sync import Event, Notify, Semaphore
from conc.time import DelayQueue
from conc_testing import VirtualClock, settle
from tests.kernel.support import run

# ---- limits ----------------------------------------------------------------------------------------------------------


async def acquire_again_and_again() -> None:
    semaphore = Semaphore(1)
    while True:
        async with semaphore:
            pass


async def send_to_itself() -> None:
    sender, receiver = mpsc[int](5)
    with sender, receiver:
        while True:
            await sender.send(1)
            await receiver.receive()


async def notify_itself() -> None:
    notify = Notify()
    while True:
        notify.notify_one()
        await notify.notified()


async def choose_again_and_again() -> None:
    semaphore = Semaphore(1)
    while True:
        await conc.select(semaphore.acquiring(), conc.after(60))
        semaphore.release()


ALWAYS_READY = [acquire_again_and_again, send_to_itself, notify_itself, choose_again_and_again]


@pytest.mark.parametrize("busy", ALWAYS_READY)
def test_a_limit_holds_around_operations_that_never_have_to_wait(busy: Callable[[], Awaitable[None]]) -> None:
    """They eat the budget of each turn, and the deadline is noticed all the same, alone and in a child task."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            with conc.fail_after(0.003):
                await busy()
        with conc.move_on_after(0.003) as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(busy)
        assert scope.cancelled_caught

    conc.run(main)


def test_a_result_and_a_deadline_of_the_same_moment_lose_neither() -> None:
    """What was granted just as the deadline came is returned, and the cancellation is raised at the next cancel point;
    what had not been granted is still there."""

    async def receive(queue: DelayQueue[str], got: list[str]) -> None:
        with conc.move_on_after(1) as scope:
            got.append(await queue.receive())
            await conc.checkpoint()
            got.append("went on")
        assert scope.cancelled_caught

    async def main() -> None:
        for _ in range(2):
            queue, got = DelayQueue[str](), list[str]()
            async with conc.open_nursery() as nursery:
                nursery.start_soon(receive, queue, got)
                await settle()
                queue.insert("an item", 1)
            if not got:
                got.append(queue.receive_nowait())
            assert got == ["an item"]
            with pytest.raises(ChannelEmpty):
                queue.receive_nowait()
            queue._check()

    run(main)


# ---- timers that nobody needs any more -------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [conc.sleep, lambda seconds: conc.select(conc.after(seconds), Event().waiting())])
def test_time_does_not_move_on_for_a_timer_whose_owner_was_cancelled(
    wait: Callable[[float], Awaitable[object]],
) -> None:
    """The only timer is taken back: who waits for something else then is in a deadlock at once, not after an hour."""
    clock = VirtualClock()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait, 3600)
            await settle()
            task.cancel()
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=clock)
    assert clock.now() == 0


@pytest.mark.parametrize("first", ["the canceller", "the sleeper", "the deadline of the sleeper"])
def test_a_sleeper_that_is_cancelled_as_its_time_comes_ends_once(first: str) -> None:
    """Both timers are of one moment, and come in the order in which they were set."""
    ends: list[str] = []

    async def sleep() -> None:
        try:
            await conc.sleep_until(1)
            ends.append("woke up")
            await conc.checkpoint()
            ends.append("went on")
        except conc.Cancelled:
            ends.append("was cancelled")
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            scope = conc.CancelScope(deadline=1 if first == "the deadline of the sleeper" else math.inf)

            async def sleeper() -> None:
                with scope:
                    await conc.sleep_until(0.5)  # a deadline gets its timer when the worker rests
                    await sleep()
                assert scope.cancelled_caught

            async def canceller() -> None:
                await conc.sleep_until(1)
                scope.cancel()

            for act in (canceller, sleeper) if first == "the canceller" else (sleeper, canceller):
                nursery.start_soon(act)

    run(main)
    assert ends == ["woke up", "was cancelled"]  # its time had come when it was cancelled


Waits = Callable[[conc.time.Interval], Awaitable[object]]


@pytest.mark.parametrize(
    "wait", [lambda ticks: ticks.tick(), lambda ticks: conc.select(ticks.ticking(), conc.after(60))]
)
@pytest.mark.parametrize("deadline", [1.0, 2.0])
def test_a_deadline_that_comes_just_before_a_tick_of_the_same_moment_harms_nobody(wait: Waits, deadline: float) -> None:
    """The timer of the scope was set first, so it comes first, and the tick was taken out of the timers with it."""
    got: list[float] = []

    async def main() -> None:
        ticks = conc.interval(1.0)
        with conc.move_on_at(deadline) as scope:
            while True:
                result: Any = await wait(ticks)
                got.append(result[1] if isinstance(result, tuple) else result)
        assert scope.cancelled_caught
        got.append(await ticks.tick())  # none is left out, and none comes twice
        got.append(await ticks.tick())

    run(main)
    assert got == [float(number) for number in range(len(got))]


# ---- queues of delayed items -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", ["the first", "the last"])
def test_an_item_that_is_reset_to_the_past_wakes_who_waits_at_once(moved: str) -> None:
    async def main() -> None:
        queue = DelayQueue[str]()
        keys = {"the first": queue.insert("the first", 10), "the last": queue.insert("the last", 20)}
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(queue.receive)
            await conc.sleep(5)
            queue.reset_at(keys[moved], 1)
            assert await task.join() == moved
            assert conc.current_time() == 5
        queue._check()

    run(main)


def test_removing_items_moves_the_alarm_to_the_first_that_is_left() -> None:
    async def main() -> None:
        queue = DelayQueue[int]()
        keys = [queue.insert(number, number) for number in range(1, 6)]
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(queue.receive)
            await settle()
            assert [queue.remove(key) for key in (keys[0], keys[2], keys[1])] == [1, 3, 2]
            assert await task.join() == 4
            assert conc.current_time() == 4
            queue._check()
            with pytest.raises(KeyError):
                queue.deadline(keys[0])
            assert queue.deadline(keys[4]) == 5

    run(main)


# ---- the clock of tests ----------------------------------------------------------------------------------------------


def test_virtual_time_is_the_same_in_every_run_and_stops_at_every_moment() -> None:
    def trace() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []
        clock = VirtualClock()

        async def tick(name: str, period: float) -> None:
            ticks = conc.interval(period)
            while True:
                await ticks.tick()
                seen.append((name, conc.current_time()))

        async def main() -> None:
            with conc.move_on_after(3):
                async with conc.open_nursery() as nursery:
                    for name, period in (("a", 0.5), ("b", 0.75), ("c", 1.5)):
                        nursery.start_soon(tick, name, period)
            await clock.advance(2)
            seen.append(("end", conc.current_time()))

        conc.run(main, clock=clock)
        return seen

    first = trace()
    assert first[-1] == ("end", 5)
    assert [moment for _, moment in first] == sorted(moment for _, moment in first)
    assert [moment for name, moment in first if name == "b"] == [
        0,
        0.75,
        1.5,
        2.25,
        *([3] if ("b", 3) in first else []),
    ]
    assert all(trace() == first for _ in range(5))
