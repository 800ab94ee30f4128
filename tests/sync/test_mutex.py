"""A mutex: one at a time, first come first served, handed over, and never lost on a cancellation."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.errors import WouldBlock
from conc.lowlevel import Instrument
from conc.sync import Event, Mutex
from conc_testing import VirtualClock, settle
from tests.kernel.support import run


async def hold(mutex: Mutex, trace: list[str], name: str, seconds: float = 0) -> None:
    async with mutex:
        trace.append(name)
        await conc.sleep(seconds)
        trace.append(f"/{name}")


def test_one_at_a_time_is_inside() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(hold, mutex, trace, name, 1)
        assert conc.current_time() == 3
        assert not mutex.locked()

    run(main)
    assert trace == ["a", "/a", "b", "/b", "c", "/c"]


def test_a_free_mutex_is_taken_and_given_back_without_letting_others_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            async with mutex:
                trace.append("inside")
            await mutex.acquire()
            mutex.release()
            mutex.acquire_nowait()
            mutex.release()
            trace.append("main")

    run(main)
    assert trace == ["inside", "main", "other"]


def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                for name in "abcd":
                    nursery.start_soon(hold, mutex, trace, name)
                await settle()
                assert trace == []

    run(main)
    assert [name for name in trace if name.isalpha()] == list("abcd")


def test_a_mutex_that_was_handed_over_cannot_be_taken_by_a_newcomer() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                waiter = nursery.start_soon(hold, mutex, trace, "waiter")
                await settle()
            assert mutex.owner is waiter
            with pytest.raises(WouldBlock):
                mutex.acquire_nowait()
            async with mutex:
                trace.append("newcomer")

    run(main)
    assert trace == ["waiter", "/waiter", "newcomer"]


def test_who_takes_it_again_at_once_stands_behind_those_who_wait() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()

        async def take_thrice(name: str) -> None:
            for _ in range(3):
                async with mutex:
                    trace.append(name)
                    await conc.checkpoint()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(take_thrice, "a")
            nursery.start_soon(take_thrice, "b")

    run(main)
    assert "".join(trace) == "ababab"


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_has_not_taken_it_and_those_behind_him_are_served() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                tasks = {name: nursery.start_soon(hold, mutex, trace, name) for name in "abcd"}
                await settle()
                for name in "bda":  # from the middle, the end and the front
                    tasks[name].cancel()
                    await settle()
                    mutex._check()
                assert mutex.statistics().tasks_waiting == 1
        assert mutex.statistics() == (False, None, 0)

    run(main)
    assert trace == ["c", "/c"]


def test_who_was_handed_it_keeps_it_although_he_is_cancelled_before_he_runs() -> None:
    trace: list[str] = []

    async def use(mutex: Mutex) -> None:
        async with mutex:
            trace.append("inside")
            await conc.checkpoint()
            trace.append("not reached")

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                task = nursery.start_soon(use, mutex)
                nursery.start_soon(hold, mutex, trace, "next")
                await settle()
            task.cancel()
            assert mutex.owner is task

    run(main)
    assert trace == ["inside", "next", "/next"]


def test_a_waiter_that_is_cancelled_first_is_not_handed_it() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                first = nursery.start_soon(hold, mutex, trace, "first")
                second = nursery.start_soon(hold, mutex, trace, "second")
                await settle()
                first.cancel()
            assert mutex.owner is second

    run(main)
    assert trace == ["second", "/second"]


async def enter(mutex: Mutex) -> None:
    async with mutex:
        pass


TAKING: list[Callable[[Mutex], Awaitable[object]]] = [
    enter,
    Mutex.acquire,
    lambda mutex: conc.select(mutex.acquiring()),
]


@pytest.mark.parametrize("take", TAKING)
@pytest.mark.parametrize("held", [False, True])
def test_a_cancellation_that_is_pending_is_raised_before_anything_happened(
    take: Callable[[Mutex], Awaitable[object]], held: bool
) -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            if held:
                nursery.start_soon(hold, mutex, [], "holder", 1)
                await settle()
            with conc.CancelScope() as scope:
                scope.cancel()
                await take(mutex)
            assert scope.cancelled_caught
            assert mutex.locked() == held
            assert mutex.statistics().tasks_waiting == 0

    run(main)


def test_the_end_of_the_block_gives_it_back_before_a_cancellation_is_raised() -> None:
    async def main() -> None:
        mutex = Mutex()
        with conc.CancelScope() as scope:
            async with mutex:
                scope.cancel()
            assert not mutex.locked()
        with conc.CancelScope() as scope:
            async with mutex:
                scope.cancel()
                await conc.checkpoint()
        assert not mutex.locked()
        with pytest.raises(ValueError, match="no"):
            async with mutex:
                raise ValueError("no")
        mutex._check()
        assert not mutex.locked()

    run(main)


# ---- select ----------------------------------------------------------------------------------------------------------


def test_a_select_takes_it_when_it_is_free_and_stands_in_line_when_it_is_not() -> None:
    async def main() -> None:
        mutex = Mutex()
        event = Event()
        assert await conc.select(mutex.acquiring(), event.waiting()) == (0, None)
        mutex.release()

        async def choose() -> tuple[int, Any]:
            chosen = await conc.select(event.waiting(), mutex.acquiring())
            if chosen[0] == 1:
                mutex.release()
            return chosen

        async with conc.open_nursery() as nursery:
            async with mutex:
                taker = nursery.start_soon(choose)
                await settle()
            await settle()
            async with mutex:
                loser = nursery.start_soon(choose)
                await settle()
                event.set()
                await settle()
                assert mutex.statistics().tasks_waiting == 0
        assert (taker.join_nowait(), loser.join_nowait()) == ((1, None), (0, None))
        mutex._check()
        assert not mutex.locked()

    run(main)


def test_a_select_that_was_decided_elsewhere_is_passed_over_in_line() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        event = Event()
        async with conc.open_nursery() as nursery:
            async with mutex:
                nursery.start_soon(conc.select, event.waiting(), mutex.acquiring())
                nursery.start_soon(hold, mutex, trace, "next")
                await settle()
                event.set()
            mutex._check()

    run(main)
    assert trace == ["next", "/next"]


def test_a_select_with_two_branches_on_one_mutex_takes_it_once() -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                task = nursery.start_soon(conc.select, mutex.acquiring(), mutex.acquiring())
                await settle()
            await settle()
        assert task.join_nowait()[1] is None
        assert mutex.owner is task
        assert mutex.statistics().tasks_waiting == 0

    run(main)


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_who_holds_it_and_how_many_wait() -> None:
    async def main() -> None:
        mutex = Mutex()
        assert repr(mutex) == "<Mutex free>"
        assert mutex.statistics() == (False, None, 0)
        async with conc.open_nursery() as nursery:
            holder = nursery.start_soon(hold, mutex, [], "holder", 1, name="holder")
            waiter = nursery.start_soon(hold, mutex, [], "waiter", name="waiter")
            await settle()
            assert repr(mutex) == "<Mutex held by 'holder' #1, 1 waiting>"
            assert mutex.statistics() == (True, holder, 1)
            assert mutex.owner is holder
            assert mutex.locked()
            assert repr(waiter) == "<Task 'waiter' #2 waits for Mutex.acquire, held by 'holder' #1>"
            with pytest.raises(WouldBlock, match="held by 'holder' #1"):
                mutex.acquire_nowait()
        assert mutex.owner is None

    run(main)


def test_a_deadlock_names_the_holders_and_the_circle_in_which_they_wait() -> None:
    async def take(one: Mutex, other: Mutex) -> None:
        async with one:
            await conc.checkpoint()
            async with other:
                pass

    async def main() -> None:
        first, second = Mutex(), Mutex()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(take, first, second, name="left")
            nursery.start_soon(take, second, first, name="right")

    with pytest.raises(conc.Deadlock) as caught:
        run(main)

    text = str(caught.value)
    assert "left #1: waits for Mutex.acquire, held by 'right' #2" in text
    assert "right #2: waits for Mutex.acquire, held by 'left' #1" in text
    assert text.endswith("Each of these waits for the next: left #1 -> right #2 -> left #1")


def test_a_deadlock_names_a_circle_through_a_nursery_and_a_join() -> None:
    async def main() -> None:
        mutex = Mutex()
        async with mutex, conc.open_nursery() as nursery:
            child = nursery.start_soon(hold, mutex, [], "child", name="child")
            nursery.start_soon(child.join, name="joiner")

    with pytest.raises(conc.Deadlock) as caught:
        run(main)

    assert re.search(r"waits for the next: \S+\.main #0 -> child #1 -> \S+\.main #0$", str(caught.value))


def test_a_deadlock_without_a_circle_names_none() -> None:
    async def main() -> None:
        mutex = Mutex()
        await mutex.acquire()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(Event().wait)

    with pytest.raises(conc.Deadlock) as caught:
        run(main)

    assert "waits for the next" not in str(caught.value)


# ---- cost ------------------------------------------------------------------------------------------------------------


async def enter_by_hand(mutex: Mutex) -> None:
    await mutex.acquire()
    mutex.release()


class CountSteps(Instrument):
    def __init__(self) -> None:
        self.steps = 0

    def before_task_step(self, task: conc.Task[Any]) -> None:
        self.steps += 1


@pytest.mark.parametrize("take", [enter, enter_by_hand])
def test_who_takes_a_free_mutex_again_and_again_pays_and_gives_way_when_the_budget_is_spent(
    take: Callable[[Mutex], Awaitable[None]],
) -> None:
    trace: list[str] = []
    counter = CountSteps()

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(10_000):
                await take(mutex)
            trace.append("main")

    conc.run(main, clock=VirtualClock(), instruments=[counter])
    assert trace == ["other", "main"]
    assert 10 <= counter.steps <= 200, "a task that is alone gives way once a budget, and not at each operation"


def test_a_mutex_that_nobody_waits_for_leaves_nothing_behind_in_its_holder() -> None:
    async def main() -> None:
        mutex = Mutex()
        me = conc.lowlevel.current_task()
        async with mutex:
            assert me._joiners is None
        async with conc.open_nursery() as nursery:
            for _ in range(2):
                async with mutex:
                    waiter = nursery.start_soon(hold, mutex, [], "waiter")
                    await settle()
                    assert list(me._joiners or ()) == [mutex._waiters]
                    waiter.cancel()
                    await settle()
                assert not me._joiners
                assert not mutex._waiters.watched

    run(main)
