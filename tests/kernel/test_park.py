"""`lowlevel.park` and `unpark`: each park ends exactly once, by a value or by a cancellation that was let in."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import conc
from conc.lowlevel import Task, cancel_shielded_checkpoint, checkpoint_if_cancelled, current_task, park, unpark
from conc_testing import settle
from tests.kernel.support import run


class Slot:
    """A place for one task to wait in. Whoever takes the claim decides; the lock makes that sure between threads."""

    reason = "a slot"

    def __init__(self, gives_back: bool = True) -> None:
        self.task: Task[Any] | None = None
        self.withdrawn: list[bool] = []
        self._gives_back = gives_back
        self._lock = threading.Lock()

    def begin(self, task: Task[Any]) -> None:
        with self._lock:
            self.task = task

    def withdraw(self, task: Task[Any]) -> bool:
        with self._lock:
            taken_back = self._gives_back and self.task is task
            if taken_back:
                self.task = None
        self.withdrawn.append(taken_back)
        return taken_back

    def fill(self, value: object = None) -> bool:
        with self._lock:
            task, self.task = self.task, None
        if task is not None:
            unpark(task, value)
        return task is not None


async def wait_in(slot: Slot) -> object:
    return await park(slot, slot.begin)


def test_park_returns_what_unpark_was_given() -> None:
    async def main() -> None:
        slot = Slot()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait_in, slot)
            await settle()
            assert slot.fill("value")
            assert await task.join() == "value"

    run(main)


def test_a_task_may_be_unparked_before_it_is_suspended() -> None:
    async def main() -> None:
        slot = Slot()

        def begin(task: Task[Any]) -> None:
            slot.begin(task)
            slot.fill("at once")

        assert await park(slot, begin) == "at once"
        await conc.checkpoint()

    run(main)


def test_a_thread_may_unpark_a_task() -> None:
    async def main() -> None:
        slot = Slot()
        threads: list[threading.Thread] = []

        def begin(task: Task[Any]) -> None:
            slot.begin(task)
            threads.append(threading.Timer(0.01, slot.fill, ("from a thread",)))
            threads[0].start()

        assert await park(slot, begin) == "from a thread"
        threads[0].join()

    conc.run(main)


def test_a_cancelled_park_is_withdrawn_once_and_raises() -> None:
    async def main() -> None:
        slot = Slot()
        with conc.move_on_after(1) as scope:
            await park(slot, slot.begin)
        assert scope.cancelled_caught
        assert slot.withdrawn == [True]
        assert not slot.fill()
        await conc.checkpoint()

    run(main)


def test_a_wait_that_may_not_be_taken_back_goes_on_and_the_next_cancel_point_raises() -> None:
    trace: list[object] = []

    async def main() -> None:
        slot = Slot(gives_back=False)

        async def filler() -> None:
            await conc.sleep(5)
            slot.fill("in the end")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(filler)
            with conc.move_on_after(1) as scope:
                trace.append(await park(slot, slot.begin))
                trace.append(conc.current_time())
                await conc.checkpoint()
                trace.append("not reached")
            assert scope.cancelled_caught

    run(main)
    assert trace == ["in the end", 5]


def test_in_a_cancelled_scope_park_begins_nothing() -> None:
    async def main() -> None:
        slot = Slot()
        with conc.CancelScope() as scope:
            scope.cancel()
            await park(slot, slot.begin)
        assert scope.cancelled_caught
        assert slot.task is None
        assert slot.withdrawn == []

    run(main)


def test_a_cancellation_between_unpark_and_the_next_step_changes_nothing() -> None:
    trace: list[object] = []

    async def waiter(slot: Slot) -> None:
        trace.append(await park(slot, slot.begin))
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        slot = Slot()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, slot)
            await settle()
            slot.fill("granted")
            nursery.cancel_scope.cancel()
        assert slot.withdrawn == []

    run(main)
    assert trace == ["granted"]


def test_an_unpark_that_comes_after_the_cancellation_finds_nobody() -> None:
    async def main() -> None:
        slot = Slot()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait_in, slot)
            await settle()
            nursery.cancel_scope.cancel()
            assert not slot.fill("too late")

    run(main)


def test_an_error_of_begin_leaves_the_task_fit_to_go_on() -> None:
    def begin(task: Task[Any]) -> None:
        raise ValueError("no place")

    async def main() -> None:
        with pytest.raises(ValueError, match="no place"):
            await park(Slot(), begin)
        await conc.sleep(1)
        with conc.move_on_after(1) as scope:
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_value_is_not_kept_for_the_next_park() -> None:
    async def main() -> None:
        slots = [Slot(), Slot()]

        async def waiter() -> list[object]:
            return [await park(slot, slot.begin) for slot in slots]

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(waiter)
            await settle()
            slots[0].fill("first")
            await settle()
            slots[1].fill()
            assert await task.join() == ["first", None]

    run(main)


def test_the_reason_of_a_wait_is_seen_from_outside() -> None:
    async def main() -> None:
        slot = Slot()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait_in, slot)
            await settle()
            assert "a slot" in task.state
            assert "a slot" in repr(task)
            slot.fill()
            assert "a slot" not in repr(task)

    run(main)


def test_the_running_task_is_known_everywhere_in_it() -> None:
    seen: list[Task[Any]] = []

    async def child() -> None:
        seen.append(current_task())
        await conc.checkpoint()
        seen.append(current_task())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(child) for _ in range(2)]
        assert seen == [*tasks, *tasks]

    run(main)


def test_a_shielded_checkpoint_waits_for_the_others_even_in_a_cancelled_scope() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")
        await cancel_shielded_checkpoint()
        trace.append("other again")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            nursery.cancel_scope.cancel()
            await cancel_shielded_checkpoint()
            trace.append("main")
            with pytest.raises(conc.Cancelled):
                await checkpoint_if_cancelled()

    run(main)
    assert trace == ["other", "main", "other again"]


@contextmanager
def jumpy_threads() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("workers", [1, 3])
def test_values_from_threads_and_cancellations_decide_each_park_once(workers: int) -> None:
    slots: list[Slot] = []
    delivered: list[int] = []
    received: list[object] = []
    over = threading.Event()

    def fill_at_random(seed: int) -> None:
        chance = random.Random(seed)
        number = seed * 1_000_000
        while not over.is_set():
            if slots and chance.choice(slots).fill(number):
                delivered.append(number)
            number += 1

    async def waiter(slot: Slot, chance: random.Random) -> None:
        for _ in range(100):
            with conc.move_on_after(chance.random() * 0.0005):
                received.append(await park(slot, slot.begin))

    async def main() -> None:
        mine = [Slot() for _ in range(6)]
        slots.extend(mine)
        async with conc.open_nursery(parallel=workers > 1) as nursery:
            for seed, slot in enumerate(mine):
                nursery.start_soon(waiter, slot, random.Random(seed))

    with jumpy_threads():
        threads = [threading.Thread(target=fill_at_random, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        try:
            conc.run(main, workers=workers)
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert sorted(delivered) == sorted(received)  # type: ignore[type-var]
