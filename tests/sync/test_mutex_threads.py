"""A mutex between tasks and threads outside: one line for all, and a holder that may be a thread."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest

import conc
from conc.errors import BrokenResource, WouldBlock
from conc.sync import Mutex
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until, until_waiting
from tests.threads.support import Stranger, hasty_switching


def hold(mutex: Mutex, trace: list[str], name: str) -> None:
    mutex.acquire_blocking()
    trace.append(name)
    mutex.release()


def test_tasks_and_threads_stand_in_one_line() -> None:
    trace: list[str] = []

    async def hold_in_task(mutex: Mutex, name: str) -> None:
        async with mutex:
            trace.append(name)

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            async with mutex:
                nursery.start_soon(hold_in_task, mutex, "task")
                await conc.checkpoint()
                strangers = [Stranger(hold, mutex, trace, "thread")]
                await conc.to_thread(until_waiting, mutex, 2)
                nursery.start_soon(hold_in_task, mutex, "another task")
                await conc.checkpoint()
                strangers.append(Stranger(hold, mutex, trace, "another thread"))
                await conc.to_thread(until_waiting, mutex, 4)
            for stranger in strangers:
                await stranger.has_ended()
        assert not mutex.locked()
        mutex._check()

    conc.run(main)
    assert trace == ["task", "thread", "another task", "another thread"]


def test_a_thread_owns_what_it_took_and_alone_may_give_it_back() -> None:
    mutex = Mutex()
    mutex.acquire_nowait()

    assert mutex.owner is threading.current_thread()
    assert repr(mutex) == "<Mutex held by thread 'MainThread', 0 waiting>"
    for take in (mutex.acquire_nowait, mutex.acquire_blocking):
        with pytest.raises(RuntimeError, match="thread 'MainThread' would wait for itself"):
            take()
    with pytest.raises(WouldBlock, match="held by thread 'MainThread'"):
        Stranger(mutex.acquire_nowait).result()
    with pytest.raises(RuntimeError, match="does not hold <Mutex held by thread 'MainThread'"):
        Stranger(mutex.release).result()
    mutex.release()
    assert not mutex.locked()


def test_a_task_may_not_give_back_what_its_own_thread_took_outside() -> None:
    mutex = Mutex()
    mutex.acquire_nowait()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="does not hold <Mutex held by thread 'MainThread'"):
            mutex.release()
        with pytest.raises(WouldBlock):
            mutex.acquire_nowait()

    run(main)
    mutex.release()


def test_a_thread_that_waited_too_long_has_not_taken_it() -> None:
    mutex = Mutex()
    mutex.acquire_nowait()

    with pytest.raises(TimeoutError, match=r"Mutex\.acquire_blocking: nothing within 0\.01 s"):
        Stranger(mutex.acquire_blocking, 0.01).result()
    assert mutex.statistics() == (True, threading.current_thread(), 0)
    mutex.release()
    mutex.acquire_blocking(0)
    mutex.release()
    mutex._check()


def test_a_thread_that_is_interrupted_when_it_was_handed_it_hands_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    mutex = Mutex()
    mutex.acquire_nowait()
    interrupt_after_grants(monkeypatch)
    stranger = Stranger(mutex.acquire_blocking)
    until_waiting(mutex)

    mutex.release()
    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert not mutex.locked()
    mutex._check()


def test_a_thread_that_runs_tasks_may_not_block() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"runs tasks.*await \.\.\.acquire\(\)"):
            Mutex().acquire_blocking()

    run(main)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_bad_timeout_is_refused_by_name(timeout: float) -> None:
    mutex = Mutex()

    with pytest.raises(ValueError, match="timeout"):
        mutex.acquire_blocking(timeout)
    assert not mutex.locked()


def test_it_is_handed_from_a_thread_to_a_task_and_back() -> None:
    async def main() -> None:
        mutex = Mutex()
        entered, leave = threading.Event(), threading.Event()

        def hold_until_told() -> None:
            mutex.acquire_blocking()
            entered.set()
            leave.wait(10)
            mutex.release()

        stranger = Stranger(hold_until_told)
        await conc.to_thread(until, entered.is_set)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(mutex.acquire)
            await conc.checkpoint()
            leave.set()
        await stranger.has_ended()

    conc.run(main)


def test_strands_and_threads_are_never_inside_together_and_nothing_is_lost() -> None:
    rounds = 1000
    calls = itertools.count()
    inside = counted = 0

    def count() -> None:
        nonlocal inside, counted
        next(calls)
        assert inside == 0, "two are inside"
        inside += 1
        value = counted
        inside -= 1
        counted = value + 1

    def thread(mutex: Mutex) -> None:
        for _ in range(rounds):
            mutex.acquire_blocking()
            count()
            mutex.release()

    async def strand(mutex: Mutex, number: int) -> None:
        for turn in range(rounds):
            if turn % 7 == number:
                await conc.select(mutex.acquiring())
                count()
                mutex.release()
                continue
            async with mutex:
                count()
                if turn % 5 == number:
                    await conc.checkpoint()
                    count()

    async def impatient(mutex: Mutex) -> None:
        for _ in range(rounds):
            with conc.move_on_after(0.0001):
                async with mutex:
                    count()
                    await conc.checkpoint()

    async def main() -> None:
        mutex = Mutex()
        strangers = [Stranger(thread, mutex) for _ in range(2)]
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(4):
                nursery.start_soon(strand, mutex, number)
            nursery.start_soon(impatient, mutex)
        for stranger in strangers:
            await stranger.has_ended()
        mutex._check()
        assert not mutex.locked()

    with hasty_switching():
        conc.run(main, workers=3)
    assert counted == next(calls) > 6 * rounds


def test_a_holder_that_ends_at_any_moment_leaves_nobody_waiting() -> None:
    told = itertools.count()

    async def take(mutex: Mutex) -> None:
        try:
            await mutex.acquire()
        except BrokenResource:
            next(told)

    def take_in_thread(mutex: Mutex) -> None:
        with contextlib.suppress(BrokenResource):
            mutex.acquire_blocking()
            mutex.release()

    async def main() -> None:
        for turn in range(100):
            mutex = Mutex()
            stranger = Stranger(take_in_thread, mutex) if turn % 10 == 0 else None
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(4):
                    nursery.start_soon(take, mutex)
            if stranger is not None:
                await stranger.has_ended()
            mutex._check()

    with hasty_switching():
        conc.run(main, workers=3)
    assert next(told) == 3 * 100
