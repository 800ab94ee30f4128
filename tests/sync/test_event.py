"""An event: set once, it wakes all who wait and lets everyone pass who comes later."""

from __future__ import annotations

import threading

import pytest

import conc
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


def test_waiting_for_an_event_ends_when_it_is_set() -> None:
    trace: list[str] = []

    async def waiter(event: Event) -> None:
        await event.wait()
        trace.append("woken")

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, event)
            await settle()
            assert not event.is_set()
            trace.append("set")
            event.set()
            assert event.is_set()
            event._check()

    run(main)
    assert trace == ["set", "woken"]


def test_an_event_that_is_set_keeps_nobody() -> None:
    async def main() -> None:
        event = Event()
        event.set()
        event.set()
        before = conc.current_time()
        await event.wait()
        assert conc.current_time() == before

    run(main)


def test_waiting_for_a_set_event_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        event = Event()
        event.set()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await event.wait()
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_all_who_wait_are_woken_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    async def waiter(event: Event, number: int) -> None:
        await event.wait()
        order.append(number)

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(waiter, event, number)
            await settle()
            event.set()

    run(main)
    assert order == [0, 1, 2, 3, 4]


def test_a_cancelled_waiter_leaves_the_others_waiting() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(event.wait) for _ in range(3)]
            await settle()
            tasks[1].cancel()
            await settle()
            event._check()
            assert [task.outcome is None for task in tasks] == [True, False, True]
            event.set()

    run(main)


def test_a_waiter_that_was_woken_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def waiter(event: Event) -> None:
        await event.wait()
        trace.append("returned")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, event)
            await settle()
            event.set()
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == ["returned"]


def test_a_waiter_that_was_cancelled_before_the_event_does_not_return() -> None:
    trace: list[str] = []

    async def waiter(event: Event) -> None:
        await event.wait()
        trace.append("not reached")

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, event)
            await settle()
            nursery.cancel_scope.cancel()
            event.set()

    run(main)
    assert trace == []


def test_an_event_may_be_set_by_a_thread() -> None:
    async def main() -> None:
        event = Event()
        thread = threading.Timer(0.01, event.set)
        thread.start()
        await event.wait()
        thread.join()

    conc.run(main)


def test_threads_tasks_and_selects_that_wait_are_counted_and_all_go_on() -> None:
    async def main() -> None:
        event = Event()
        assert event.statistics() == (0,)

        async def wait_in_a_thread() -> None:
            await conc.to_thread(event.wait_blocking)

        async with conc.open_nursery() as nursery:
            thread = nursery.start_soon(wait_in_a_thread)
            task = nursery.start_soon(event.wait)
            select = nursery.start_soon(conc.select, event.waiting(), conc.after(60))
            while event.statistics().tasks_waiting < 3:
                await conc.sleep(0.001)
            event.set()
            await thread.join()
            await task.join()
            assert await select.join() == (0, None)
        assert event.statistics() == (0,)
        event._check()

    conc.run(main)


def test_a_select_that_is_cancelled_does_not_wait_for_the_event_any_more() -> None:
    async def main() -> None:
        event, other = Event(), Event()
        async with conc.open_nursery() as nursery:
            parked, granted = (nursery.start_soon(conc.select, e.waiting(), other.waiting()) for e in (event, other))
            await settle()
            other.set()
            granted.cancel()  # too late: it returns
            await granted.join()
            await parked.join()
        assert event.statistics() == (0,)
        async with conc.open_nursery() as nursery:
            parked = nursery.start_soon(conc.select, event.waiting(), Event().waiting())
            await settle()
            parked.cancel()
            with pytest.raises(conc.TaskCancelled):
                await parked.join()
        assert event.statistics() == (0,)
        event._check()

    run(main)


def test_an_event_may_be_made_and_set_before_the_run() -> None:
    event = Event()
    event.set()

    assert run(event.wait) is None


@pytest.mark.parametrize("workers", [1, 3])
def test_an_event_wakes_tasks_of_every_strand(workers: int) -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery(parallel=True) as nursery:
            tasks = [nursery.start_soon(event.wait) for _ in range(10)]
            await conc.sleep(0.01)
            event.set()
        assert all(task.join_nowait() is None for task in tasks)
        event._check()

    conc.run(main, workers=workers)


def test_an_event_has_no_truth_value_and_says_what_was_meant() -> None:
    with pytest.raises(TypeError, match=r"event\.is_set\(\)"):
        bool(Event())


def test_the_text_of_an_event_says_how_it_stands() -> None:
    async def main() -> None:
        event = Event()
        assert "not set" in repr(event)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(event.wait)
            await settle()
            assert "1 waiting" in repr(event)
            assert "Event.wait" in repr(task)
            event.set()
        assert repr(event) == "<Event set>"

    run(main)
