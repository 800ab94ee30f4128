"""A run that is stopped by force takes its tasks out of all lines; threads that stand there too are served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.lowlevel import current_runtime
from conc.sync import Event, Semaphore
from tests.sync.outside import until_waiting
from tests.threads.support import Stranger

Wait = Callable[[], Awaitable[object]]


def stop(*waits: Wait, threads: Callable[[], list[Stranger]] = list) -> None:
    """Run tasks that no cancellation ends, and stop the run.

    Args:
        waits: what the tasks wait for. They get in line in this order, and are closed in this order.
        threads: starts threads that get in line behind them; they have to come to their end.
    """
    behind: list[Stranger] = []

    async def stubborn(gate: Event, wait: Wait) -> None:
        with conc.CancelScope(shield=True):
            await gate.wait()
            await wait()

    async def main() -> None:
        gates = [Event() for _ in waits]
        for gate, wait in reversed(list(zip(gates, waits, strict=True))):  # what was started last is closed first
            current_runtime().root_nursery.start_soon(stubborn, gate, wait)
        for gate in gates:
            await conc.sleep(0)
            gate.set()
            await conc.sleep(0)
        behind.extend(threads())

    with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.01)
    for thread in behind:
        thread.result()


def in_line(*calls: tuple[Semaphore, int]) -> list[Stranger]:
    """Threads that get in line for permits, one after another."""
    threads = []
    for semaphore, n in calls:
        before = semaphore.statistics().tasks_waiting
        threads.append(Stranger(semaphore.acquire_blocking, n))
        until_waiting(semaphore, before + 1)
    return threads


def check_at_rest(semaphore: Semaphore, free: int = 0) -> None:
    assert semaphore.statistics()[::2] == (free, 0)
    assert semaphore._waiters._passed == 0
    semaphore._check()


def test_a_task_that_waits_for_much_makes_room_for_threads_behind_it() -> None:
    semaphore = Semaphore(2)

    stop(lambda: semaphore.acquire(5), threads=lambda: in_line((semaphore, 1), (semaphore, 1)))

    check_at_rest(semaphore)


def test_a_select_makes_room_in_all_its_lines() -> None:
    one, other = Semaphore(1), Semaphore(1)

    stop(
        lambda: conc.select(one.acquiring(3), Event().waiting(), other.acquiring(3), conc.after(60)),
        threads=lambda: in_line((one, 1), (other, 1)),
    )

    check_at_rest(one)
    check_at_rest(other)


def test_a_permit_that_is_granted_while_the_run_is_stopped_is_passed_on() -> None:
    semaphore = Semaphore(2)

    stop(
        lambda: semaphore.acquire(5),  # when this one leaves, the next is granted, and closed before it runs
        lambda: semaphore.acquire(1),
        threads=lambda: in_line((semaphore, 2)),
    )

    check_at_rest(semaphore)


def test_a_select_that_is_granted_while_the_run_is_stopped_passes_it_on_and_leaves() -> None:
    one, other = Semaphore(2), Semaphore(1)

    stop(
        lambda: one.acquire(5),
        lambda: conc.select(one.acquiring(1), other.acquiring(3)),
        threads=lambda: in_line((one, 2), (other, 1)),
    )

    check_at_rest(one)
    check_at_rest(other)


def test_clean_up_code_of_a_stopped_task_may_give_back_what_it_held() -> None:
    one, other = Semaphore(1), Semaphore(0)

    async def hold() -> None:
        async with one:
            await conc.select(other.acquiring(), conc.after(60))

    stop(hold, threads=lambda: in_line((one, 1)))

    check_at_rest(one)
    check_at_rest(other)


def test_a_thread_may_grant_what_nobody_will_learn_of() -> None:
    semaphore, released = Semaphore(0), []

    async def hold_up() -> None:
        try:
            await conc.sleep(60)
        finally:  # the run is being stopped: the tasks that wait are granted now, and closed afterwards
            semaphore.release(2)
            released.append(True)

    stop(hold_up, semaphore.acquire, lambda: conc.select(semaphore.acquiring(), Event().waiting()))

    assert released
    check_at_rest(semaphore, free=2)


@pytest.mark.parametrize("workers", [1, 3])
def test_strands_of_a_stopped_run_leave_their_lines(workers: int) -> None:
    semaphore = Semaphore(2)

    async def strand(n: int) -> None:
        with conc.CancelScope(shield=True):
            await conc.select(semaphore.acquiring(n), Event().waiting())

    async def strands() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for n in (5, 4, 3):
                nursery.start_soon(strand, n)

    async def main() -> None:
        current_runtime().root_nursery.start_soon(strands)
        while semaphore.statistics().tasks_waiting < 3:
            await conc.sleep(0.001)

    with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
        conc.run(main, workers=workers, shutdown_timeout=0.01)
    semaphore.acquire_blocking(2, timeout=10)
    check_at_rest(semaphore)
