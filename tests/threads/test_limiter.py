"""`to_thread` with a limiter: each call holds a token exactly until no thread runs it, however its task has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

import conc
import conc.threads.pool as pool_module
from conc.lowlevel import current_runtime
from conc.sync import CapacityLimiter, Event
from conc.threads.job import Job
from conc.threads.loan import Loan
from conc.threads.pool import Pool
from conc.threads.portal import runtime_portal
from conc_testing import VirtualClock
from tests.threads.support import Gate, hasty_switching


async def until_free(limiter: CapacityLimiter) -> None:
    """Wait until a thread that nobody waits for has given its token back."""
    with conc.fail_after(5):
        while limiter.borrowed_tokens:
            await conc.sleep(0.0005)


async def abandon_when_it_runs(limiter: CapacityLimiter, gate: Gate, fn: Callable[[], object]) -> None:
    """Leave a call of `fn`, which comes to the gate, as soon as it is there."""
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(lambda: conc.to_thread(fn, abandon_on_cancel=True, limiter=limiter))
        await gate.arrives()
        task.cancel()


def test_as_many_calls_run_at_a_time_as_there_are_tokens() -> None:
    running: list[None] = []
    peak: list[int] = []

    def work() -> None:
        running.append(None)
        peak.append(len(running))
        time.sleep(0.001)
        running.pop()

    async def main() -> None:
        limiter = CapacityLimiter(2)
        async with conc.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(lambda: conc.to_thread(work, limiter=limiter))
        assert limiter.borrowed_tokens == 0

    conc.run(main)
    assert max(peak) <= 2
    assert len(peak) == 10


@pytest.mark.parametrize("fn", [int, lambda: 1 / 0])
def test_the_token_is_held_during_the_call_and_is_back_when_its_task_goes_on(fn: Any) -> None:
    limiter = CapacityLimiter(1)
    during: list[Any] = []

    def call() -> None:
        during.append(limiter.statistics())
        fn()

    async def main() -> None:
        for _ in range(50):
            try:
                await conc.to_thread(call, limiter=limiter)
            except ZeroDivisionError:
                pass
            assert limiter.available_tokens == 1

    conc.run(main)
    assert {entry.borrowed_tokens for entry in during} == {1}
    assert "call" in repr(during[0].borrowers[0])


def test_the_call_borrows_and_not_its_task() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(2)
        async with limiter:
            assert await conc.to_thread(lambda: limiter.borrowed_tokens, limiter=limiter) == 2
        assert limiter.borrowed_tokens == 0

    conc.run(main)


def test_more_tokens_let_a_waiting_call_begin() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(lambda: conc.to_thread(int, limiter=limiter))
            await conc.sleep(0.001)
            assert "CapacityLimiter" in repr(task)
            limiter.total_tokens = 1
        assert task.join_nowait() == 0

    conc.run(main)


# ---- cancelled before it runs ----------------------------------------------------------------------------------------


def test_a_call_cancelled_while_it_waits_for_a_token_never_runs() -> None:
    ran: list[int] = []

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lambda: conc.to_thread(ran.append, 1, limiter=limiter))
            await conc.checkpoint()
            nursery.cancel_scope.cancel()
        limiter.total_tokens = 1
        assert limiter.statistics() == (0, 1, (), 0)

    conc.run(main)
    assert ran == []


def test_a_call_cancelled_between_the_token_and_its_beginning_gives_it_back_and_never_runs() -> None:
    ran: list[int] = []

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            unlucky = nursery.start_soon(lambda: conc.to_thread(ran.append, 1, limiter=limiter))
            nursery.start_soon(lambda: conc.to_thread(ran.append, 2, limiter=limiter))
            await conc.checkpoint()
            limiter.total_tokens = 1
            assert limiter.borrowed_tokens == 1
            unlucky.cancel()
        with pytest.raises(conc.TaskCancelled):
            unlucky.join_nowait()
        assert limiter.borrowed_tokens == 0

    conc.run(main)
    assert ran == [2]


@pytest.mark.parametrize("abandon", [False, True])
def test_a_call_cancelled_in_line_for_a_thread_gives_its_token_back(abandon: bool) -> None:
    gate = Gate()

    async def main() -> None:
        limiter = CapacityLimiter(2)

        async def call(number: int) -> None:
            await conc.to_thread(gate, number, abandon_on_cancel=abandon, limiter=limiter)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(call, 1)
            await gate.arrives()
            unlucky = nursery.start_soon(call, 2)
            await conc.checkpoint()
            assert limiter.borrowed_tokens == 2
            unlucky.cancel()
            with pytest.raises(conc.TaskCancelled):
                await unlucky.join()
            assert limiter.borrowed_tokens == 1
            gate.open()
        assert limiter.borrowed_tokens == 0

    conc.run(main, max_blocking_threads=1)
    assert gate.passed == [1]


def test_a_call_for_which_there_is_no_thread_gives_its_token_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        limiter = CapacityLimiter(1)
        with pytest.raises(RuntimeError, match="can't start"):
            await conc.to_thread(int, limiter=limiter)
        assert limiter.borrowed_tokens == 0

    monkeypatch.setattr(pool_module, "start_daemon", refuse)
    conc.run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_second_interrupt_as_the_call_gets_in_line_leaves_no_token_behind(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = CapacityLimiter(1)

    def strike(*_: object) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        await conc.to_thread(int, limiter=limiter)

    monkeypatch.setattr(Pool, "_summon", strike)
    monkeypatch.setattr(pool_module, "ARRIVAL_SECONDS", 0.001)
    with pytest.raises(KeyboardInterrupt):
        conc.run(main, workers=workers)
    assert limiter.borrowed_tokens == 0


# ---- cancelled while it runs -----------------------------------------------------------------------------------------


def test_a_call_that_keeps_its_task_keeps_the_token_to_its_end() -> None:
    gate = Gate()

    async def main() -> None:
        limiter = CapacityLimiter(1)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(lambda: conc.to_thread(gate, "value", limiter=limiter))
            await gate.arrives()
            task.cancel()
            await conc.sleep(0.001)
            assert limiter.borrowed_tokens == 1
            gate.open()
        assert task.join_nowait() == "value"
        assert limiter.borrowed_tokens == 0

    conc.run(main)


def test_an_abandoned_call_keeps_the_token_until_its_thread_is_through() -> None:
    gate = Gate()

    async def main() -> None:
        limiter = CapacityLimiter(1)
        await abandon_when_it_runs(limiter, gate, partial(gate, "late"))
        async with conc.open_nursery() as nursery:
            following = nursery.start_soon(lambda: conc.to_thread(gate, "next", limiter=limiter))
            await conc.sleep(0.002)
            assert following.outcome is None
            assert limiter.borrowed_tokens == 1
            gate.open()
        assert limiter.borrowed_tokens == 0

    conc.run(main)
    assert gate.passed == ["late", "next"]


def test_who_waits_for_the_token_of_an_abandoned_call_is_in_no_deadlock() -> None:
    gate = Gate()

    def last_a_while() -> None:
        gate()
        time.sleep(0.02)

    async def main() -> None:
        limiter = CapacityLimiter(1)
        gate.open()
        await abandon_when_it_runs(limiter, gate, last_a_while)
        assert await conc.to_thread(int, limiter=limiter) == 0

    conc.run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_when_an_abandoned_call_with_a_token_has_ended_a_deadlock_is_found(workers: int) -> None:
    gate = Gate()

    def last_a_while() -> None:
        gate()
        time.sleep(0.02)

    async def main() -> None:
        gate.open()
        await abandon_when_it_runs(CapacityLimiter(1), gate, last_a_while)
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, workers=workers)


def test_virtual_time_does_not_wait_for_an_abandoned_call_with_a_token() -> None:
    gate = Gate()

    async def main() -> None:
        limiter = CapacityLimiter(1)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(lambda: conc.to_thread(gate, abandon_on_cancel=True, limiter=limiter))
            await conc.to_thread(gate.arrive)
            task.cancel()
        await conc.sleep(1000)
        assert limiter.borrowed_tokens == 1
        gate.open()

    conc.run(main, clock=VirtualClock())


# ---- the end of the run ----------------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_gives_back_what_never_ran_and_leaves_the_rest_to_the_thread() -> None:
    gate = Gate()
    limiter = CapacityLimiter(2)

    async def call(number: int) -> None:
        await conc.to_thread(gate, number, limiter=limiter)

    async def main() -> None:
        portal = runtime_portal(current_runtime())
        portal.start_soon(call, 1)
        await gate.arrives()
        portal.start_soon(call, 2)
        while limiter.borrowed_tokens < 2:
            await conc.sleep(0.0005)

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, max_blocking_threads=1, shutdown_timeout=0.02)
    assert limiter.borrowed_tokens == 1

    gate.open()
    conc.run(until_free, limiter)
    assert gate.passed == [1]


def test_a_call_that_is_in_line_when_the_pool_is_closed_gives_its_token_back() -> None:
    limiter, gate, pool = CapacityLimiter(1), Gate(), Pool(1, set())
    crew: Any = SimpleNamespace(wakers={})
    task: Any = None  # not asked for anything: nobody is cancelled, and nobody woken
    loan = Loan(limiter, crew, int)
    limiter.acquire_on_behalf_of_nowait(loan)
    running = Job(pool, task, partial(gate), True, None)
    waiting = Job(pool, task, partial(int), True, loan)
    pool.submit(running)
    gate.arrive()
    pool.submit(waiting)

    pool.close()
    assert limiter.borrowed_tokens == 1
    for job in (running, waiting):
        job.abandon()
        job.abandon()

    assert limiter.borrowed_tokens == 0
    gate.open()


def test_a_limiter_is_shared_by_runs_that_follow_one_another() -> None:
    limiter = CapacityLimiter(1)
    gate = Gate()

    async def follow() -> None:
        gate.open()
        await conc.to_thread(gate, 2, limiter=limiter)

    conc.run(abandon_when_it_runs, limiter, gate, partial(gate, 1))
    assert limiter.borrowed_tokens == 1
    conc.run(follow)
    assert limiter.borrowed_tokens == 0
    assert gate.passed == [1, 2]


# ---- all at once -----------------------------------------------------------------------------------------------------


def test_tokens_are_conserved_among_calls_that_return_fail_are_cancelled_and_abandoned() -> None:
    running: list[None] = []
    peak: list[int] = []
    local = threading.local()

    def work(number: int) -> int:
        running.append(None)
        peak.append(len(running))
        local.number = number
        time.sleep(0)
        assert local.number == number
        running.pop()
        return number

    async def strand(limiter: CapacityLimiter, base: int) -> None:
        async with conc.open_nursery() as nursery:
            for number in range(base, base + 40):
                nursery.start_soon(call, limiter, number)

    async def call(limiter: CapacityLimiter, number: int) -> None:
        with conc.move_on_after(0.0004 * (number % 7)):
            value = await conc.to_thread(work, number, abandon_on_cancel=number % 3 == 0, limiter=limiter)
            assert value == number

    async def main() -> None:
        limiter = CapacityLimiter(4)
        async with conc.open_nursery(parallel=True) as nursery:
            for base in range(0, 240, 40):
                nursery.start_soon(strand, limiter, base)
        await until_free(limiter)
        limiter._check()
        assert limiter.statistics() == (0, 4, (), 0)

    with hasty_switching():
        conc.run(main, workers=3, max_blocking_threads=6)
    assert 0 < max(peak) <= 4


def test_what_is_no_limiter_is_refused_by_name() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"limiter must be a conc\.sync\.CapacityLimiter or None, not 3"):
            await conc.to_thread(int, limiter=3)  # type: ignore[arg-type]

    conc.run(main)
