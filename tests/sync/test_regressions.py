"""What has gone wrong in locks and signals of others, and may not here. Each test says in its name what must hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import ClosedResource, WouldBlock
from conc.sync import (
    CancellationToken,
    Condition,
    Event,
    Mutex,
    Notify,
    RwLock,
    Semaphore,
)
from conc_testing import settle
from tests.kernel.support import run
from tests.threads.support import Stranger, hasty_switching

# ---- permits ---------------------------------------------------------------------------------------------------------


def test_forgetting_permits_does_not_open_a_closed_semaphore() -> None:
    async def main() -> None:
        semaphore = Semaphore(3)
        semaphore.close()
        assert semaphore.forget(2) == 2
        assert semaphore.forget(5) == 1
        semaphore.release(4)
        assert semaphore.statistics() == (4, None, 0, True)
        with pytest.raises(ClosedResource):
            await semaphore.acquire()
        with pytest.raises(ClosedResource):
            semaphore.acquire_nowait()

    run(main)


@pytest.mark.parametrize("max_value", [None, 2**64 + 1])
def test_permits_beyond_all_machine_words_are_counted(max_value: int | None) -> None:
    semaphore = Semaphore(1, max_value=max_value)
    semaphore.release(2**64)
    semaphore.acquire_nowait(2**64)
    assert semaphore.value == 1
    semaphore.release(2**64)
    if max_value is not None:
        with pytest.raises(ValueError, match="more than were taken"):
            semaphore.release()
    assert semaphore.value == 2**64 + 1


@pytest.mark.parametrize("cancelled", ["while it waits", "when it was granted"])
def test_permits_are_conserved_when_one_of_two_waiters_is_cancelled(cancelled: str) -> None:
    trace: list[str] = []

    async def take(semaphore: Semaphore, name: str) -> None:
        async with semaphore:
            trace.append(name)
            await conc.checkpoint()
            trace.append(f"{name} went on")

    async def main() -> None:
        semaphore = Semaphore(0, max_value=1)
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(take, semaphore, "first")
            nursery.start_soon(take, semaphore, "second")
            await settle()
            acts: list[Callable[[], object]] = [first.cancel, semaphore.release]
            for act in acts if cancelled == "while it waits" else reversed(acts):
                act()
        assert semaphore.statistics() == (1, 1, 0, False)

    run(main)
    assert trace == [*(["first"] if cancelled == "when it was granted" else []), "second", "second went on"]


def test_a_large_request_is_overtaken_by_nobody_however_long_permits_trickle() -> None:
    order: list[int] = []

    async def take(semaphore: Semaphore, n: int) -> None:
        async with semaphore.permits(n):
            order.append(n)
            await conc.sleep(1)

    async def main() -> None:
        semaphore = Semaphore(5)
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(take, semaphore, 1)
            await settle()
            nursery.start_soon(take, semaphore, 5)  # two are free, and small ones come all the time
            for _ in range(20):
                await settle()
                nursery.start_soon(take, semaphore, 1)
                with pytest.raises(WouldBlock):
                    semaphore.acquire_nowait()
                if len(order) > 3:
                    break
                await conc.sleep(0.1)

    run(main)
    assert order[:4] == [1, 1, 1, 5]


def test_a_permit_released_in_the_middle_of_an_acquire_is_not_missed() -> None:
    """A thread gives one permit at a time, just when the task may be between its look and its place in line."""
    turns = 3000

    async def main() -> None:
        semaphore, given, over = Semaphore(0), threading.Semaphore(0), threading.Event()

        def give() -> None:
            for _ in range(turns):
                given.acquire()
                semaphore.release()

        thread = Stranger(give)
        with conc.fail_after(60):
            for _ in range(turns):
                given.release()
                await semaphore.acquire()
        over.set()
        await thread.has_ended()
        assert semaphore.statistics() == (0, None, 0, False)

    with hasty_switching():
        conc.run(main)


# ---- locks -----------------------------------------------------------------------------------------------------------


def test_a_reader_that_comes_when_the_first_of_two_writers_is_cancelled_stays_behind_the_second() -> None:
    order: list[str] = []

    async def write(lock: RwLock, name: str) -> None:
        async with lock.write():
            order.append(name)

    async def read(lock: RwLock, name: str) -> None:
        async with lock.read():
            order.append(name)

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            await lock.acquire_read()
            first = nursery.start_soon(write, lock, "first writer")
            nursery.start_soon(read, lock, "reader in front")
            nursery.start_soon(write, lock, "second writer")
            nursery.start_soon(read, lock, "reader behind")
            await settle()
            first.cancel()
            await settle()
            assert order == ["reader in front"]
            assert lock.statistics()[2] == 2
            lock.release()
        lock._check()

    run(main)
    assert order == ["reader in front", "second writer", "reader behind"]


@pytest.mark.parametrize("first", ["a writer", "a reader"])
def test_a_downgrade_lets_no_writer_in_whoever_is_first_in_line(first: str) -> None:
    order: list[str] = []

    async def main() -> None:
        lock = RwLock()

        async def write() -> None:
            async with lock.write():
                order.append("a writer")

        async def read() -> None:
            async with lock.read():
                order.append("a reader")

        async with conc.open_nursery() as nursery:
            await lock.acquire_write()
            for act in (write, read) if first == "a writer" else (read, write):
                nursery.start_soon(act)
            await settle()
            lock.downgrade()
            lock._check()
            assert lock.statistics()[:2] == (1 if first == "a writer" else 2, None)
            await settle()
            assert order == ([] if first == "a writer" else ["a reader"])
            lock.release()
        lock._check()

    run(main)
    assert order == ([first, "a reader"] if first == "a writer" else [first, "a writer"])


@pytest.mark.parametrize("moment", ["while it waits", "when it was let in"])
def test_no_lock_is_leaked_by_who_is_cancelled_beside_one_that_goes_on(moment: str) -> None:
    async def use(take: Callable[[], Any], seen: list[str]) -> None:
        async with take():
            seen.append("inside")
            await conc.checkpoint()
            seen.append("went on")

    async def main() -> None:
        for make in (lambda: Mutex(), lambda: RwLock()):  # noqa: PLW0108  # a mutex is its own block
            lock: Any = make()
            take = (lambda lock=lock: lock) if isinstance(lock, Mutex) else lock.write
            holder: Any = lock.acquire_nowait if isinstance(lock, Mutex) else lock.acquire_write_nowait
            holder()
            seen: tuple[list[str], list[str]] = [], []
            async with conc.open_nursery() as nursery:
                first = nursery.start_soon(use, take, seen[0])
                nursery.start_soon(use, take, seen[1])
                await settle()
                acts: list[Callable[[], object]] = [first.cancel, lock.release]
                for act in acts if moment == "while it waits" else reversed(acts):
                    act()
            assert seen == ([] if moment == "while it waits" else ["inside"], ["inside", "went on"])
            holder()
            lock.release()
            lock._check()

    run(main)


# ---- signals ---------------------------------------------------------------------------------------------------------


def test_notify_waiters_keeps_a_stored_permit_also_from_those_it_wakes() -> None:
    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            epoch = notify.epoch
            notify.notify_one()
            notify.notify_waiters()
            for _ in range(3):  # all of them were told, and none takes the permit
                nursery.start_soon(lambda: notify.notified(since=epoch))
        assert notify.statistics().permit_stored
        await notify.notified()
        assert not notify.statistics().permit_stored

    run(main)


def test_a_condition_whose_notified_waiter_is_cancelled_tells_the_next() -> None:
    """Cancelled after the notification and before it has the mutex: it leaves with the mutex, and the next is told."""
    trace: list[str] = []

    async def wait(condition: Condition, name: str) -> None:
        async with condition:
            try:
                await condition.wait()
                trace.append(f"{name} was told")
            except conc.Cancelled:
                assert condition.mutex.statistics().owner is not None
                trace.append(f"{name} was cancelled")
                raise

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(wait, condition, name) for name in ("first", "second", "third")]
            await settle()
            async with condition:
                condition.notify()
                tasks[0].cancel()
                assert condition.statistics().tasks_waiting == 2
            await settle()
            assert sorted(trace) == ["first was cancelled", "second was told"]
            assert condition.statistics().tasks_waiting == 1
            nursery.cancel_scope.cancel()
        condition._check()
        assert not condition.mutex.locked()

    run(main)


def test_a_token_that_is_waited_for_again_and_again_tells_whoever_waits_last() -> None:
    async def main() -> None:
        token, other = CancellationToken(), Event()
        for _ in range(5):
            assert await conc.select(token.waiting(), conc.after(1)) == (1, None)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, other.waiting(), token.waiting())
            await settle()
            assert token.statistics().tasks_waiting == 1
            token.cancel()
            assert await task.join() == (1, None)
        assert token.statistics() == (True, 0, 0, 0)

    run(main)


def test_a_thread_that_is_just_getting_in_line_is_woken_too() -> None:
    """The thread of a blocking wait and the one that wakes meet at every possible moment."""
    for _ in range(300):
        notify = Notify()
        with hasty_switching():
            thread = Stranger(notify.notified_blocking, 10)
            notify.notify_one()
            thread.result()
        assert notify.statistics()[:2] == (0, False)
