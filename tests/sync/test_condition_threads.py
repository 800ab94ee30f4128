"""A condition between tasks, strands and threads outside."""

from __future__ import annotations

import pytest

import conc
from conc.sync import Condition
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until, until_waiting
from tests.threads.support import Stranger, hasty_switching


async def wait(condition: Condition, trace: list[str], name: str) -> None:
    async with condition:
        await condition.wait()
        trace.append(name)


def test_a_thread_waits_and_is_notified_by_a_task() -> None:
    trace: list[str] = []

    def wait_in_thread(condition: Condition) -> None:
        condition.mutex.acquire_blocking()
        condition.wait_blocking()
        trace.append("thread")
        condition.mutex.release()

    async def main() -> None:
        condition = Condition()
        stranger = Stranger(wait_in_thread, condition)
        await conc.to_thread(until_waiting, condition)
        async with condition:
            condition.notify()
            trace.append("task")
        await stranger.has_ended()
        condition._check()

    conc.run(main)
    assert trace == ["task", "thread"]


def test_a_thread_notifies_tasks() -> None:
    trace: list[str] = []

    def notify_in_thread(condition: Condition) -> None:
        condition.mutex.acquire_blocking()
        condition.notify_all()
        condition.mutex.release()

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(wait, condition, trace, name)
            await settle()
            await conc.to_thread(notify_in_thread, condition)

    run(main)
    assert trace == ["a", "b"]


def test_a_thread_that_waited_too_long_has_the_mutex_again() -> None:
    condition = Condition()
    condition.mutex.acquire_nowait()

    with pytest.raises(TimeoutError, match=r"Condition\.wait_blocking: nothing within"):
        condition.wait_blocking(0.01)
    assert condition.mutex.locked()
    condition.mutex.release()
    condition._check()


def test_a_thread_that_is_interrupted_when_it_has_the_mutex_keeps_it_and_passes_the_notification_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace: list[str] = []

    def wait_in_thread(condition: Condition) -> None:
        condition.mutex.acquire_nowait()
        try:
            condition.wait_blocking()
        finally:
            assert condition.mutex.owner is not None
            condition.mutex.release()

    async def main() -> None:
        condition = Condition()
        stranger = Stranger(wait_in_thread, condition)
        await conc.to_thread(until_waiting, condition)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, condition, trace, "next")
            await conc.to_thread(until_waiting, condition, 2)
            async with condition:
                condition.notify()
            with pytest.raises(KeyboardInterrupt):
                await stranger.has_ended()
        condition._check()

    interrupt_after_grants(monkeypatch)
    conc.run(main)
    assert trace == ["next"]


def test_a_thread_that_was_notified_and_had_not_the_mutex_in_time_passes_it_on() -> None:
    condition = Condition()
    ended: list[str] = []

    def wait_in_thread(name: str, timeout: float | None) -> None:
        condition.mutex.acquire_blocking()
        try:
            condition.wait_blocking(timeout)
            ended.append(name)
        except TimeoutError:
            assert condition.mutex.owner is not None
            ended.append(f"{name} too late")
        condition.mutex.release()

    first = Stranger(wait_in_thread, "first", 0.05)
    until_waiting(condition, 1)
    second = Stranger(wait_in_thread, "second", None)
    until_waiting(condition, 2)
    condition.mutex.acquire_nowait()
    condition.notify()
    line = condition.mutex._waiters.line
    notified = line[0]
    until(lambda: bool(line) and line[0] is not notified)  # it has given up, and wants the mutex all the same
    condition.mutex.release()
    first.result()
    second.result()
    assert ended == ["first too late", "second"]


def test_a_thread_that_does_not_hold_the_mutex_or_runs_tasks_is_told() -> None:
    condition = Condition()
    with pytest.raises(RuntimeError, match="does not hold the mutex"):
        condition.wait_blocking()

    async def main() -> None:
        async with condition:
            with pytest.raises(RuntimeError, match="runs tasks"):
                condition.wait_blocking()
            assert condition.mutex.locked()

    run(main)


def test_strands_and_threads_that_hand_items_on_lose_none() -> None:
    rounds = 200
    taken: list[int] = []

    async def take(condition: Condition, items: list[int]) -> None:
        for turn in range(rounds):
            async with condition:
                if turn % 3 == 0:
                    with conc.move_on_after(0.0001):
                        await condition.wait_for(lambda: items)
                await condition.wait_for(lambda: items)
                taken.append(items.pop())

    def give(condition: Condition, items: list[int], me: int) -> None:
        for turn in range(rounds):
            condition.mutex.acquire_blocking()
            items.append(me * rounds + turn)
            condition.notify()
            condition.mutex.release()

    async def main() -> None:
        condition, items = Condition(), list[int]()
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(take, condition, items)
            strangers = [Stranger(give, condition, items, me) for me in range(2)]
            for turn in range(rounds):
                async with condition:
                    items.append(2 * rounds + turn)
                    condition.notify()
        for stranger in strangers:
            await stranger.has_ended()
        condition._check()

    with hasty_switching():
        conc.run(main, workers=3)
    assert sorted(taken) == list(range(3 * rounds))
