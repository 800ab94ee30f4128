"""A lock for readers and writers: fair, and never lost on a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.errors import WouldBlock
from conc.sync import RwLock
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger, hasty_switching


async def read(lock: RwLock, trace: list[str], name: str, seconds: float = 1) -> None:
    async with lock.read():
        trace.append(name)
        await conc.sleep(seconds)
        trace.append(f"/{name}")


async def write(lock: RwLock, trace: list[str], name: str, seconds: float = 1) -> None:
    async with lock.write():
        trace.append(name)
        await conc.sleep(seconds)
        trace.append(f"/{name}")


def test_readers_read_together_and_a_writer_writes_alone() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            for reader in "ab":
                nursery.start_soon(read, lock, trace, reader)
            await settle()
            nursery.start_soon(write, lock, trace, "W")
        assert conc.current_time() == 2
        lock._check()

    run(main)
    assert trace == ["a", "b", "/a", "/b", "W", "/W"]


def test_a_free_lock_is_taken_and_given_back_without_letting_others_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            async with lock.read():
                pass
            async with lock.write():
                pass
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_readers_that_keep_coming_do_not_keep_a_writer_out() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(read, lock, trace, "a")
            await conc.sleep(0.5)
            nursery.start_soon(write, lock, trace, "W")
            await settle()
            for reader in "bcd":
                with pytest.raises(WouldBlock):
                    lock.acquire_read_nowait()
                nursery.start_soon(read, lock, trace, reader)
                await conc.sleep(0.1)

    run(main)
    assert trace == ["a", "/a", "W", "/W", "b", "c", "d", "/b", "/c", "/d"]


def test_writers_that_keep_coming_do_not_keep_a_reader_out() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            for name in ("V", "a", "W", "b", "c"):
                nursery.start_soon(write if name.isupper() else read, lock, trace, name)
                await settle()

    run(main)
    assert trace == ["V", "/V", "a", "/a", "W", "/W", "b", "c", "/b", "/c"]


def test_what_was_handed_over_cannot_be_taken_by_a_newcomer() -> None:
    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.write():
                writer = nursery.start_soon(write, lock, [], "W")
                await settle()
            assert lock.statistics() == (0, writer, 0)
            for take in (lock.acquire_read_nowait, lock.acquire_write_nowait):
                with pytest.raises(WouldBlock):
                    take()

    run(main)


# ---- downgrade -------------------------------------------------------------------------------------------------------


def test_a_writer_that_goes_on_reading_lets_readers_in_and_no_writer_between() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.write():
                for name in ("a", "b", "W", "c"):
                    nursery.start_soon(write if name.isupper() else read, lock, trace, name)
                await settle()
                trace.append("down")
                lock.downgrade()
                assert lock.statistics() == (3, None, 2)
                lock._check()
                await conc.sleep(5)
                trace.append("/down")
        assert lock.statistics() == (0, None, 0)

    run(main)
    assert trace == ["down", "a", "b", "/a", "/b", "/down", "W", "/W", "c", "/c"]


@pytest.mark.parametrize("reads", [False, True])
def test_only_a_writer_can_go_on_reading(reads: bool) -> None:
    async def main() -> None:
        lock = RwLock()
        if reads:
            await lock.acquire_read()
        with pytest.raises(RuntimeError, match="does not write"):
            lock.downgrade()
        assert lock.statistics().readers == reads

    run(main)


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_a_cancelled_writer_lets_the_readers_behind_it_in() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.read():
                writer = nursery.start_soon(write, lock, trace, "W")
                await settle()
                for name in ("a", "b", "V"):
                    nursery.start_soon(write if name.isupper() else read, lock, trace, name)
                await settle()
                assert trace == []
                writer.cancel()
                await settle()
                assert trace == ["a", "b"]
                lock._check()

    run(main)
    assert trace == ["a", "b", "/a", "/b", "V", "/V"]


def test_a_cancelled_reader_has_not_taken_it_and_leaves_the_others_in_line() -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.write():
                tasks = {name: nursery.start_soon(read, lock, trace, name) for name in "abc"}
                await settle()
                tasks["b"].cancel()
                await settle()
                assert lock.statistics().tasks_waiting == 2
        assert lock.statistics() == (0, None, 0)

    run(main)
    assert trace == ["a", "c", "/a", "/c"]


@pytest.mark.parametrize("use", [read, write])
def test_who_was_let_in_keeps_it_although_he_is_cancelled_before_he_runs(
    use: Callable[[RwLock, list[str], str], Awaitable[None]],
) -> None:
    trace: list[str] = []

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.write():
                task = nursery.start_soon(use, lock, trace, "in")
                await settle()
            task.cancel()
            lock._check()
        assert lock.statistics() == (0, None, 0)

    run(main)
    assert trace == ["in"]


@pytest.mark.parametrize("take", [RwLock.acquire_read, RwLock.acquire_write])
@pytest.mark.parametrize("held", [False, True])
def test_a_cancellation_that_is_pending_is_raised_before_anything_happened(
    take: Callable[[RwLock], Awaitable[None]], held: bool
) -> None:
    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            if held:
                nursery.start_soon(write, lock, [], "W")
                await settle()
            before = lock.statistics()
            with conc.CancelScope() as scope:
                scope.cancel()
                await take(lock)
            assert scope.cancelled_caught
            assert lock.statistics() == before

    run(main)


def test_the_end_of_a_block_gives_it_back_also_when_the_block_fails() -> None:
    async def main() -> None:
        lock = RwLock()
        for block in (lock.read(), lock.write()):
            with pytest.raises(ValueError, match="no"):
                async with block:
                    raise ValueError("no")
            with conc.CancelScope() as scope:
                async with block:
                    scope.cancel()
                assert lock.statistics() == (0, None, 0)

    run(main)


# ---- threads and strands ---------------------------------------------------------------------------------------------


def test_tasks_and_threads_stand_in_one_line() -> None:
    trace: list[str] = []

    def write_in_thread(lock: RwLock) -> None:
        lock.acquire_write_blocking()
        trace.append("thread")
        lock.release()

    async def main() -> None:
        lock = RwLock()
        async with conc.open_nursery() as nursery:
            async with lock.write():
                nursery.start_soon(read, lock, trace, "a", 0)
                await conc.checkpoint()
                stranger = Stranger(write_in_thread, lock)
                await conc.to_thread(until_waiting, lock, 2)
                nursery.start_soon(read, lock, trace, "b", 0)
                await conc.checkpoint()
            await stranger.has_ended()
        assert lock.statistics() == (0, None, 0)

    conc.run(main)
    assert trace == ["a", "/a", "thread", "b", "/b"]


@pytest.mark.parametrize("take", [RwLock.acquire_read_blocking, RwLock.acquire_write_blocking])
def test_a_thread_that_waited_too_long_or_was_interrupted_has_not_taken_it(
    take: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = RwLock()
    lock.acquire_write_nowait()
    with pytest.raises(TimeoutError, match=r"RwLock\.acquire_(read|write)_blocking: nothing within"):
        Stranger(take, lock, 0.01).result()
    assert lock.statistics().tasks_waiting == 0

    interrupt_after_grants(monkeypatch)
    stranger = Stranger(take, lock)
    until_waiting(lock)
    lock.release()
    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert lock.statistics() == (0, None, 0)


def test_a_thread_takes_it_and_gives_it_back() -> None:
    lock = RwLock()

    lock.acquire_read_blocking()
    lock.acquire_read_nowait()
    with pytest.raises(RuntimeError, match="would wait for itself"):
        lock.acquire_write_blocking()
    with pytest.raises(WouldBlock):
        Stranger(lock.acquire_write_nowait).result()
    lock.release()
    lock.release()
    lock.acquire_write_blocking()
    assert repr(lock) == "<RwLock thread 'MainThread' writes, 0 waiting>"
    lock.downgrade()
    Stranger(ignore_in_thread, lock).result()
    lock.release()
    assert lock.statistics() == (0, None, 0)


def ignore_in_thread(lock: RwLock) -> None:
    lock.acquire_read_blocking()
    lock.release()


def test_in_strands_and_threads_a_writer_is_always_alone() -> None:
    rounds = 300
    readers: dict[int, None] = {}
    writers: dict[int, None] = {}
    written = 0

    def look(me: int, writes: bool) -> None:
        nonlocal written
        (writers if writes else readers)[me] = None
        assert len(writers) <= 1
        assert not (writers and readers), "a writer is not alone"
        written += writes
        del (writers if writes else readers)[me]

    def thread(lock: RwLock, me: int) -> None:
        for turn in range(rounds):
            writes = turn % 5 == me
            (lock.acquire_write_blocking if writes else lock.acquire_read_blocking)()
            look(me, writes)
            lock.release()

    async def strand(lock: RwLock, me: int) -> None:
        for turn in range(rounds):
            writes = turn % 4 == me
            async with lock.write() if writes else lock.read():
                look(me, writes)
                if turn % 7 == me:
                    await conc.checkpoint()
                    look(me, writes)

    async def impatient(lock: RwLock) -> None:
        for _ in range(rounds):
            with conc.move_on_after(0.0001):
                await lock.acquire_write()
                lock.release()

    async def main() -> None:
        lock = RwLock()
        strangers = [Stranger(thread, lock, me) for me in (4, 5)]
        async with conc.open_nursery(parallel=True) as nursery:
            for me in range(4):
                nursery.start_soon(strand, lock, me)
            nursery.start_soon(impatient, lock)
        for stranger in strangers:
            await stranger.has_ended()
        lock._check()
        assert lock.statistics() == (0, None, 0)

    with hasty_switching():
        conc.run(main, workers=3)
    assert written > rounds


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_many_read_who_writes_and_how_many_wait() -> None:
    async def main() -> None:
        lock = RwLock()
        assert repr(lock) == "<RwLock nobody reads, 0 waiting>"
        async with conc.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(read, lock, [], "reader", name=f"reader {number}")
            await settle()
            assert repr(lock) == "<RwLock 5 read, 0 waiting>"
            waiter = nursery.start_soon(write, lock, [], "W", name="writer")
            await settle()
            assert lock.statistics() == (5, None, 1)
            assert "RwLock, held by 'reader 0' #1, 'reader 1' #2, 'reader 2' #3 and 2 more" in repr(waiter)
            with pytest.raises(WouldBlock, match=r"acquire_write of <RwLock 5 read, 1 waiting> would have to wait"):
                lock.acquire_write_nowait()
        assert "acquire_read" in repr(lock.acquiring_read())

    run(main)


def test_a_deadlock_of_two_locks_names_the_circle() -> None:
    async def take(one: RwLock, other: RwLock) -> None:
        async with one.read():
            await conc.checkpoint()
            async with other.write():
                pass

    async def main() -> None:
        first, second = RwLock(), RwLock()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(take, first, second, name="left")
            nursery.start_soon(take, second, first, name="right")

    with pytest.raises(conc.Deadlock, match=r"waits for the next: left #1 -> right #2 -> left #1$"):
        run(main)
