"""A lock for readers and writers that is misused: who would wait for himself or for nobody is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.errors import BrokenResource, WouldBlock
from conc.sync import Event, RwLock
from conc_testing import settle
from tests.kernel.support import run
from tests.threads.support import Stranger

Take = Callable[[RwLock], Awaitable[object]]


async def read(lock: RwLock) -> None:
    async with lock.read():
        await conc.sleep(1)


async def write(lock: RwLock) -> None:
    async with lock.write():
        await conc.sleep(1)


async def as_async(function: Callable[[], object]) -> object:
    return function()


READING: list[Take] = [
    RwLock.acquire_read,
    lambda lock: conc.select(lock.acquiring_read()),
    lambda lock: as_async(lock.acquire_read_nowait),
]
WRITING: list[Take] = [
    RwLock.acquire_write,
    lambda lock: conc.select(lock.acquiring_write()),
    lambda lock: as_async(lock.acquire_write_nowait),
]


@pytest.mark.parametrize("take", READING)
def test_who_reads_may_read_again_while_no_writer_waits(take: Take) -> None:
    async def main() -> None:
        lock = RwLock()
        async with lock.read():
            await take(lock)
            assert lock.statistics().readers == 1
            lock.release()
            with pytest.raises(WouldBlock):
                Stranger(lock.acquire_write_nowait).result()
        assert lock.statistics().readers == 0

    run(main)


@pytest.mark.parametrize("take", READING)
def test_who_reads_again_behind_a_writer_that_waits_for_him_is_told(take: Take) -> None:
    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery, lock.read():
            nursery.start_soon(write, lock, name="writer")
            await settle()
            with pytest.raises(RuntimeError, match=r"#0 would wait for itself.*'writer' #1 waits in line"):
                await take(lock)
            assert lock.statistics() == (1, None, 1)
        lock._check()

    run(main)


@pytest.mark.parametrize("take", [*READING, *WRITING])
@pytest.mark.parametrize("waiting", [0, 1])
def test_who_writes_and_takes_it_again_is_told_that_he_would_wait_for_himself(take: Take, waiting: int) -> None:
    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery, lock.write():
            for _ in range(waiting):
                nursery.start_soon(read, lock)
            await settle()
            with pytest.raises(RuntimeError, match=r"#0 would wait for itself.* give it back first"):
                await take(lock)

    run(main)


@pytest.mark.parametrize("take", WRITING)
def test_who_reads_and_wants_to_write_is_told_that_he_would_wait_for_himself(take: Take) -> None:
    async def main() -> None:
        lock = RwLock()
        async with lock.read():
            with pytest.raises(RuntimeError, match=r"#0 would wait for itself.* give it back first$"):
                await take(lock)
        assert lock.statistics() == (0, None, 0)

    run(main)


@pytest.mark.parametrize("take", READING)
def test_who_writes_and_wants_to_read_is_told_that_he_may_downgrade(take: Take) -> None:
    async def main() -> None:
        lock = RwLock()
        async with lock.write():
            with pytest.raises(RuntimeError, match=r"give it back first, or downgrade$"):
                await take(lock)

    run(main)


def test_only_who_has_it_may_give_it_back() -> None:
    async def main() -> None:
        lock = RwLock()
        with pytest.raises(RuntimeError, match="#0 does not hold <RwLock nobody reads, 0 waiting>"):
            lock.release()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(write, lock, name="writer")
            await settle()
            with pytest.raises(RuntimeError, match="#0 does not hold <RwLock 'writer' #1 writes, 0 waiting>"):
                lock.release()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(read, lock)
            await settle()
            with pytest.raises(RuntimeError, match="does not hold <RwLock 1 reads, 0 waiting>"):
                lock.release()
            assert lock.statistics().readers == 1

    run(main)


# ---- holders that have ended -----------------------------------------------------------------------------------------


async def keep(take: Take, lock: RwLock, end: Event) -> None:
    await take(lock)
    await end.wait()


async def is_told(take: Take, lock: RwLock) -> None:
    with pytest.raises(BrokenResource, match=r"'keeper' #\d+ has ended without giving it back"):
        await take(lock)


@pytest.mark.parametrize(("parallel", "workers"), [(False, 1), (True, 1), (True, 3)])
@pytest.mark.parametrize("kept", ["read", "write"])
def test_those_who_wait_for_a_holder_that_ends_are_told(kept: str, parallel: bool, workers: int) -> None:
    async def main() -> None:
        lock, end = RwLock(), Event()
        async with conc.open_nursery(parallel=parallel) as nursery:
            take = RwLock.acquire_read if kept == "read" else RwLock.acquire_write
            nursery.start_soon(keep, take, lock, end, name="keeper")
            while lock.statistics()[:2] == (0, None):
                await conc.sleep(0.001)
            nursery.start_soon(is_told, RwLock.acquire_write, lock)
            while lock.statistics().tasks_waiting < 1:
                await conc.sleep(0.001)
            reader = nursery.start_soon(is_told if kept == "write" else ignore, RwLock.acquire_read, lock)
            nursery.start_soon(is_told, WRITING[1], lock)
            while lock.statistics().tasks_waiting < 3:
                await conc.sleep(0.001)
            end.set()
        reader.join_nowait()
        lock._check()

    conc.run(main, workers=workers)


async def ignore(take: Take, lock: RwLock) -> None:
    await take(lock)
    lock.release()


@pytest.mark.parametrize(("parallel", "workers"), [(False, 1), (True, 3)])
@pytest.mark.parametrize("take", [*READING[:2], *WRITING[:2]])
def test_who_was_let_in_and_ends_is_the_one_that_those_behind_are_told_of(
    take: Take, parallel: bool, workers: int
) -> None:
    async def main() -> None:
        lock, end = RwLock(), Event()
        async with conc.open_nursery(parallel=parallel) as nursery:
            async with lock.write():
                nursery.start_soon(keep, take, lock, end, name="keeper")
                while lock.statistics().tasks_waiting < 1:
                    await conc.sleep(0.001)
                nursery.start_soon(is_told, RwLock.acquire_write, lock)
                while lock.statistics().tasks_waiting < 2:
                    await conc.sleep(0.001)
            end.set()

    conc.run(main, workers=workers)


@pytest.mark.parametrize("take", WRITING)
@pytest.mark.parametrize("kept", ["read", "write"])
def test_a_writer_that_comes_after_a_holder_has_ended_is_told(take: Take, kept: str) -> None:
    async def main() -> None:
        lock = RwLock()
        end = Event()
        end.set()
        async with conc.open_nursery() as nursery:
            acquire = RwLock.acquire_read if kept == "read" else RwLock.acquire_write
            nursery.start_soon(keep, acquire, lock, end, name="keeper")
        for _ in range(2):
            await is_told(take, lock)
        lock._check()

    run(main)


@pytest.mark.parametrize("take", READING)
def test_a_reader_is_told_only_of_a_writer_that_has_ended(take: Take) -> None:
    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lock.acquire_read, name="keeper")
        await take(lock)
        lock.release()
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lock.acquire_write, name="keeper")
        for _ in range(2):
            await is_told(take, lock)

    run(main)


def test_a_lock_that_nobody_waits_for_leaves_nothing_behind_in_its_holders() -> None:
    async def main() -> None:
        lock = RwLock()
        me = conc.lowlevel.current_task()
        async with lock.read(), conc.open_nursery() as nursery:
            assert me._joiners is None
            waiter = nursery.start_soon(write, lock)
            await settle()
            assert list(me._joiners or ()) == [lock._waiters]
            waiter.cancel()
        assert not me._joiners
        assert not lock._waiters.watched

    run(main)
