"""Deadlock: when nothing can wake any task any more it is said, after clean-up and with the tree; and what is none."""

import socket
import subprocess
import threading
from collections.abc import Callable
from typing import IO

import pytest

import conc
from conc.lowlevel import Clock, MonotonicClock, expect_wakeup, wait_readable
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock

CLOCKS = pytest.mark.parametrize("clock", [MonotonicClock, VirtualClock], ids=["real", "virtual"])
WORKERS = pytest.mark.parametrize("workers", [1, 3])

pytestmark = pytest.mark.usefixtures("no_threads_of_others")


async def wait_for_each_other() -> None:
    """Two tasks, each of which wants what the other one has."""
    first, second = Semaphore(1), Semaphore(1)

    async def take(one: Semaphore, other: Semaphore) -> None:
        async with one:
            await conc.checkpoint()
            async with other:
                pass

    async with conc.open_nursery() as nursery:
        nursery.start_soon(take, first, second, name="left")
        nursery.start_soon(take, second, first, name="right")


async def wait_in_strands() -> None:
    """Strands that wait for what nobody does."""
    async with conc.open_nursery(parallel=True) as nursery:
        for number in range(4):
            nursery.start_soon(Event().wait, name=f"strand {number}")


# ---- what is one ------------------------------------------------------------------------------------------------


@CLOCKS
@WORKERS
def test_tasks_that_wait_for_each_other_are_named_with_what_they_wait_for(
    clock: Callable[[], Clock], workers: int
) -> None:
    with pytest.raises(conc.Deadlock) as caught:
        conc.run(wait_for_each_other, clock=clock(), workers=workers)

    text = str(caught.value)
    assert text.startswith("nothing can wake any task any more")
    assert "wait_for_each_other #0: waits for 2 children of its nursery" in text
    assert "── left #" in text
    assert text.count(": waits for Semaphore.acquire") == 2
    assert "test_deadlock.py" in text


@CLOCKS
@WORKERS
def test_the_tree_has_the_strands_of_all_workers(clock: Callable[[], Clock], workers: int) -> None:
    with pytest.raises(conc.Deadlock) as caught:
        conc.run(wait_in_strands, clock=clock(), workers=workers)

    for number in range(4):
        assert f"═══strand {number} #" in str(caught.value)
    assert str(caught.value).count(": waits for Event.wait") == 4


@CLOCKS
def test_workers_that_wake_to_describe_their_strands_do_not_declare_it_again(clock: Callable[[], Clock]) -> None:
    async def main() -> None:
        on_three_workers = threading.Barrier(3)

        async def strand() -> None:
            on_three_workers.wait(5.0)
            await Event().wait()

        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(strand, name="strand")

    for _ in range(10):
        with pytest.raises(conc.Deadlock) as caught:
            conc.run(main, clock=clock(), workers=3)

        text = str(caught.value)
        assert [text.count(f"strand #{number}: waits for Event.wait") for number in (3, 6, 9)] == [1, 1, 1]
        assert all(f"[worker {index}]" in text for index in range(3))
        assert not hasattr(caught.value, "__notes__")


def test_a_task_that_joins_one_that_joins_it_is_a_deadlock() -> None:
    async def main() -> None:
        tasks: list[conc.Task[None]] = []

        async def join(other: int) -> None:
            await tasks[other].join()

        async with conc.open_nursery() as nursery:
            tasks.extend(nursery.start_soon(join, 1 - number, name=f"task {number}") for number in range(2))

    with pytest.raises(conc.Deadlock, match=r"task 0 #1: waits for join of 'task 1' #2"):
        conc.run(main)


@CLOCKS
@WORKERS
def test_a_deadlock_after_work_is_found_too(clock: Callable[[], Clock], workers: int) -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(4):
                nursery.start_soon(conc.sleep, number / 1000)
        await Event().wait()

    with pytest.raises(conc.Deadlock, match=r"Event\.wait"):
        conc.run(main, clock=clock(), workers=workers)


# ---- what comes with it -----------------------------------------------------------------------------------------


@CLOCKS
@WORKERS
def test_clean_up_runs_and_may_wait_before_the_deadlock_leaves_the_run(
    clock: Callable[[], Clock], workers: int
) -> None:
    log = []

    async def strand(number: int) -> None:
        try:
            await Event().wait()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(0.001 * number)
            log.append(number)

    async def main() -> None:
        try:
            async with conc.open_nursery(parallel=True) as nursery:
                for number in (3, 2, 1):
                    nursery.start_soon(strand, number)
        finally:
            log.append(0)

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=clock(), workers=workers)

    assert sorted(log[:3]) == [1, 2, 3]
    assert log[3:] == [0]


def test_each_task_is_cancelled_with_the_deadlock_as_its_reason() -> None:
    reasons = []

    async def child() -> None:
        try:
            await Event().wait()
        except conc.Cancelled as cancelled:
            reasons.append(cancelled.source)
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)

    with pytest.raises(conc.Deadlock) as caught:
        conc.run(main)

    assert reasons == ["deadlock", "deadlock"]
    assert caught.value.__cause__ is None


def test_an_error_of_the_clean_up_is_the_cause_of_the_deadlock_and_not_lost() -> None:
    async def main() -> None:
        try:
            await Event().wait()
        finally:
            raise ValueError("from clean-up")

    with pytest.raises(conc.Deadlock) as caught:
        conc.run(main)

    assert repr(caught.value.__cause__) == "ValueError('from clean-up')"


def test_a_program_that_swallows_the_cancellation_and_returns_is_still_told() -> None:
    async def main() -> str:
        with pytest.raises(conc.Cancelled):
            await Event().wait()
        return "swallowed"

    with pytest.raises(conc.Deadlock):
        conc.run(main)


@CLOCKS
@WORKERS
def test_a_deadlock_among_shielded_tasks_ends_with_a_report_of_what_did_not(
    clock: Callable[[], Clock], workers: int
) -> None:
    closed = []

    async def stubborn(number: int) -> None:
        with conc.CancelScope(shield=True):
            try:
                await Event().wait()
            finally:
                closed.append(number)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(3):
                nursery.start_soon(stubborn, number, name=f"stubborn {number}")

    with pytest.raises(conc.Deadlock) as caught:
        conc.run(main, clock=clock(), workers=workers)

    assert sorted(closed) == [0, 1, 2]
    (note,) = caught.value.__notes__
    assert "cannot be cancelled" in note
    for number in range(3):
        assert f"stubborn {number} #" in note


def test_a_deadlock_during_the_clean_up_of_a_deadlock_ends_too() -> None:
    async def main() -> None:
        try:
            await Event().wait()
        finally:
            with conc.CancelScope(shield=True):
                await Event().wait()

    with pytest.raises(conc.Deadlock) as caught:
        conc.run(main)

    assert "cannot be cancelled" in caught.value.__notes__[0]


# ---- what is none -----------------------------------------------------------------------------------------------


def in_a_thread(seconds: float, call: Callable[[], object]) -> threading.Timer:
    """Let a thread that conc does not know call a function after some real time."""
    thread = threading.Timer(seconds, call)
    thread.start()
    return thread


@WORKERS
def test_a_foreign_thread_that_sends_after_a_while_is_no_deadlock(workers: int) -> None:
    event = Event()
    thread = in_a_thread(0.2, event.set)

    conc.run(event.wait, workers=workers)

    thread.join()


@WORKERS
def test_a_foreign_thread_that_ends_without_sending_leaves_a_deadlock(workers: int) -> None:
    thread = in_a_thread(0.2, lambda: None)

    with pytest.raises(conc.Deadlock):
        conc.run(Event().wait, workers=workers)

    assert not thread.is_alive()


def test_a_foreign_thread_does_not_count_under_a_virtual_clock() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(conc.Deadlock):
            conc.run(Event().wait, clock=VirtualClock())
    finally:
        release.set()
        thread.join()


@CLOCKS
@WORKERS
def test_a_timer_is_no_deadlock(clock: Callable[[], Clock], workers: int) -> None:
    event = Event()

    async def later() -> None:
        await conc.sleep(0.01)
        event.set()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(later)
            nursery.start_soon(event.wait)

    conc.run(main, clock=clock(), workers=workers)


@CLOCKS
def test_a_deadline_is_no_deadlock(clock: Callable[[], Clock]) -> None:
    async def main() -> bool:
        with conc.move_on_after(0.01) as scope:
            await Event().wait()
        return scope.cancelled_caught

    assert conc.run(main, clock=clock())


@CLOCKS
@WORKERS
def test_a_job_in_a_thread_is_no_deadlock(clock: Callable[[], Clock], workers: int) -> None:
    release = threading.Event()
    thread = in_a_thread(0.1, release.set)

    async def job() -> None:
        await conc.to_thread(release.wait)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(job)
            nursery.start_soon(job)

    conc.run(main, clock=clock(), workers=workers)
    thread.join()


@CLOCKS
@WORKERS
def test_a_declared_wakeup_is_no_deadlock_until_its_block_is_left(clock: Callable[[], Clock], workers: int) -> None:
    event = Event()
    thread = in_a_thread(0.1, event.set)

    async def main() -> None:
        with expect_wakeup():
            await event.wait()
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=clock(), workers=workers)
    assert event.is_set()
    thread.join()


def test_a_sleep_for_ever_is_no_deadlock_on_a_real_clock() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep_forever)
            nursery.start_soon(wait_for_each_other)
            with conc.fail_after(0.05):
                await Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert [type(error) for error in caught.value.exceptions] == [TimeoutError]


@WORKERS
def test_a_sleep_for_ever_is_one_under_a_virtual_clock(workers: int) -> None:
    with pytest.raises(conc.Deadlock, match="sleep_forever"):
        conc.run(conc.sleep_forever, clock=VirtualClock(), workers=workers)


@WORKERS
def test_a_descriptor_that_is_waited_for_is_no_deadlock_on_a_real_clock(workers: int) -> None:
    async def main(file: IO[bytes]) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(wait_readable, file)

    with subprocess.Popen(["sleep", "0.1"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        conc.run(main, process.stdout, workers=workers)
        assert process.stdout.read() == b""


def test_a_descriptor_that_nobody_inside_writes_to_is_a_deadlock_under_a_virtual_clock() -> None:
    left, right = socket.socketpair()

    with left, right, pytest.raises(conc.Deadlock, match=r"descriptor \d+ to be readable"):
        conc.run(wait_readable, right, clock=VirtualClock())


@WORKERS
def test_busy_strands_are_no_deadlock_while_others_wait_for_them(workers: int) -> None:
    async def main() -> int:
        done = 0
        event = Event()

        async def busy() -> None:
            nonlocal done
            for _ in range(500):
                await conc.checkpoint()
            event.set()

        async def waiting() -> None:
            nonlocal done
            await event.wait()
            done += 1

        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(waiting)
            nursery.start_soon(busy)
        return done

    for _ in range(20):
        assert conc.run(main, clock=VirtualClock(), workers=workers) == 1
