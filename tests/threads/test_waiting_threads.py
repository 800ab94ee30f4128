"""A thread that waits for an answer of its task wakes nobody: it neither holds virtual time nor hides a Deadlock."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

import conc
from conc import from_thread
from conc.errors import RunFinished
from conc.lowlevel import Clock, MonotonicClock, kill
from conc.sync import CapacityLimiter, Event
from conc_testing import VirtualClock
from tests.threads.support import PATIENCE, Gate, hasty_switching

CLOCKS = pytest.mark.parametrize("clock", [MonotonicClock, VirtualClock], ids=["real", "virtual"])
WORKERS = pytest.mark.parametrize("workers", [1, 3])


class WatchedClock(VirtualClock):
    """A virtual clock that sets an event when it stands still for somebody outside."""

    def __init__(self) -> None:
        super().__init__()
        self.stood_still = threading.Event()

    def stands_still(self, outsiders: Callable[[], tuple[str, ...]], times: int) -> None:
        super().stands_still(outsiders, times)
        self.stood_still.set()


@WORKERS
def test_virtual_time_passes_while_a_thread_waits_for_its_task_to_sleep(workers: int) -> None:
    clock = VirtualClock()

    conc.run(conc.to_thread, from_thread.run, conc.sleep, 5.0, clock=clock, workers=workers)

    assert clock.now() == 5.0


def test_virtual_time_stands_still_again_when_the_thread_has_its_answer() -> None:
    clock = WatchedClock()
    log: list[tuple[str, float]] = []

    def job() -> None:
        from_thread.run(conc.sleep, 5.0)
        clock.stood_still.clear()
        assert clock.stood_still.wait(PATIENCE)
        log.append(("job", clock.now()))

    async def sleep() -> None:
        await conc.sleep(5.5)
        log.append(("sleep", clock.now()))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sleep)
            nursery.start_soon(conc.to_thread, job)

    conc.run(main, clock=clock)

    assert log == [("job", 5.0), ("sleep", 5.5)]


@CLOCKS
@WORKERS
@pytest.mark.parametrize("limiter", [None, CapacityLimiter(1)], ids=["no limiter", "a limiter"])
@pytest.mark.parametrize("abandon", [False, True])
def test_a_thread_that_waits_for_what_nobody_does_is_a_deadlock(
    clock: Callable[[], Clock], workers: int, limiter: CapacityLimiter | None, abandon: bool
) -> None:
    call = partial(conc.to_thread, from_thread.run, Event().wait, abandon_on_cancel=abandon, limiter=limiter)

    with pytest.raises(conc.Deadlock, match=r"waits for Event\.wait"):
        conc.run(call, clock=clock(), workers=workers)
    if limiter is not None:
        conc.run(call_nothing, limiter)


async def call_nothing(limiter: CapacityLimiter) -> None:
    """Lends a token, which an earlier call may still hold for a moment, and gives it back."""
    await conc.to_thread(int, limiter=limiter)


@WORKERS
def test_a_call_in_line_behind_threads_that_wait_holds_no_time(workers: int) -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with conc.open_nursery(parallel=workers > 1) as nursery:
            for _ in range(3):
                nursery.start_soon(conc.to_thread, from_thread.run, conc.sleep, 5.0)

    conc.run(main, clock=clock, workers=workers, max_blocking_threads=1)

    assert clock.now() == 15.0


@CLOCKS
def test_a_thread_that_waits_for_a_call_in_line_behind_it_is_a_deadlock(clock: Callable[[], Clock]) -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, event.wait)
            nursery.start_soon(conc.to_thread, from_thread.run_sync, event.set)

    with pytest.raises(conc.Deadlock, match="in line for a thread"):
        conc.run(main, clock=clock(), max_blocking_threads=1)


def test_a_call_in_line_behind_a_thread_at_work_holds_the_time() -> None:
    clock = WatchedClock()
    log: list[tuple[str, float]] = []

    def work(name: str) -> None:
        clock.stood_still.clear()
        assert clock.stood_still.wait(PATIENCE)
        log.append((name, clock.now()))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, conc.sleep, 5.0)
            nursery.start_soon(conc.to_thread, work, "at work")
            nursery.start_soon(conc.to_thread, work, "in line")

    conc.run(main, clock=clock, max_blocking_threads=2)

    assert log == [("at work", 0.0), ("in line", 0.0)]


@pytest.mark.parametrize("asks", [False, True])
def test_a_thread_whose_task_was_killed_holds_no_time_and_is_answered(asks: bool) -> None:
    clock = VirtualClock()
    gate = Gate()
    ended = threading.Event()
    answers: list[type[BaseException]] = []

    def job() -> None:
        if not asks:
            gate()
        try:
            from_thread.run(serve)
        except BaseException as error:
            answers.append(type(error))
        ended.set()

    async def serve() -> None:
        served.append(True)
        await conc.sleep(10.0)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.to_thread, job)
            if asks:
                while not served:
                    await conc.checkpoint()
            else:
                await conc.to_thread(gate.arrive)
            kill(task)
        await conc.sleep(5.0)

    served: list[bool] = []
    conc.run(main, clock=clock)
    gate.open()

    assert clock.now() == 5.0
    assert ended.wait(PATIENCE)
    assert answers == [RunFinished]


@WORKERS
@pytest.mark.parametrize("threads", [2, 8])
def test_time_is_exact_however_threads_and_tasks_wait_for_one_another(workers: int, threads: int) -> None:
    """Each thread sleeps through its task, and measures how long that took."""
    clock = VirtualClock()
    wrong: list[tuple[float, float]] = []

    def job(number: int) -> None:
        for turn in range(1, 6):
            before = clock.now()
            from_thread.run(conc.sleep, number * turn)
            if clock.now() != before + number * turn:
                wrong.append((before, clock.now()))
            from_thread.run_sync(int)

    async def main() -> None:
        async with conc.open_nursery(parallel=workers > 1) as nursery:
            for number in range(1, 13):
                nursery.start_soon(conc.to_thread, job, number)

    with hasty_switching():
        for _ in range(5):
            conc.run(main, clock=clock, workers=workers, max_blocking_threads=threads)
    assert wrong == []
