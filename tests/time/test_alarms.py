"""`after` and `at`: a moment as a branch of a select, on the runtime's clock, and nothing is left of one that loses."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

import conc
from conc._kernel.operation import AGAIN, LATER, QueueOperation
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.lowlevel import current_task
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import run


def timers_left() -> int:
    """How many timers the worker of the running task has."""
    return len(current_task().strand.worker.timers)  # type: ignore[union-attr]


def test_after_is_ready_when_its_seconds_have_passed() -> None:
    async def main() -> None:
        assert await conc.select(Event().waiting(), conc.after(2.5)) == (1, None)
        assert conc.current_time() == 2.5

    run(main)


def test_at_is_ready_from_its_moment_on() -> None:
    async def main() -> None:
        assert await conc.select(Event().waiting(), conc.at(3)) == (1, None)
        assert conc.current_time() == 3
        assert await conc.select(Event().waiting(), conc.at(3)) == (1, None)
        assert await conc.select(Event().waiting(), conc.at(-math.inf)) == (1, None)
        assert conc.current_time() == 3

    run(main)


def test_the_earlier_of_two_moments_decides() -> None:
    async def main() -> None:
        assert await conc.select(conc.after(3), conc.after(1), conc.at(2)) == (1, None)
        assert await conc.select(conc.after(3), conc.at(2)) == (1, None)
        assert conc.current_time() == 2

    run(main)


def test_after_counts_anew_in_each_select() -> None:
    async def main() -> None:
        soon = conc.after(1)
        for turn in range(1, 4):
            assert await conc.select(Event().waiting(), soon) == (1, None)
            assert conc.current_time() == turn

    run(main)


def test_no_time_at_all_is_ready_at_once() -> None:
    async def main() -> None:
        assert await conc.select(conc.after(0), Event().waiting()) == (0, None)
        assert await conc.select(Semaphore(1).acquiring(), conc.after(0), biased=True) == (0, None)
        assert conc.current_time() == 0
        assert timers_left() == 0

    run(main)


def test_never_is_a_branch_that_sets_no_timer() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, conc.after(math.inf), conc.at(math.inf), event.waiting())
            await settle()
            assert timers_left() == 0
            event.set()
        assert task.join_nowait() == (2, None)

    run(main)


def test_nothing_is_left_of_the_timers_of_branches_that_lose() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(
                conc.select, conc.after(10), semaphore.acquiring(), conc.after(10), conc.at(20), conc.after(1)
            )
            await settle()
            assert timers_left() == 4
            semaphore.release()
            await task.join()
            assert timers_left() == 0
        assert conc.current_time() == 0

    run(main)


def test_nothing_is_left_of_the_timers_when_another_one_was_first() -> None:
    async def main() -> None:
        assert await conc.select(conc.after(10), conc.after(1), conc.after(1000)) == (1, None)
        assert timers_left() == 0

    run(main)


def test_nothing_is_left_of_the_timers_of_a_cancelled_select() -> None:
    async def main() -> None:
        with conc.move_on_after(1):
            await conc.select(conc.after(10), conc.at(20))
        assert timers_left() == 0
        assert conc.current_time() == 1

    run(main)


def test_many_loops_with_a_limit_leave_no_timers() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)

        async def take() -> None:
            for _ in range(1000):
                assert await conc.select(semaphore.acquiring(), conc.after(60)) == (0, None)

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(take)
            for _ in range(1000):
                semaphore.release()
                await conc.checkpoint()
            await task.join()
        assert timers_left() == 0
        assert conc.current_time() == 0

    run(main)


def test_two_moments_and_a_grant_at_the_same_time_are_one_decision() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:

            async def release() -> None:
                await conc.sleep(1)
                semaphore.release()

            nursery.start_soon(release)
            index, _ = await conc.select(conc.after(1), semaphore.acquiring(), conc.after(1))
            await settle()
            assert index == 0
            assert semaphore.value == 1
            assert timers_left() == 0

    run(main)


def test_tasks_whose_moment_is_the_same_go_on_in_the_order_in_which_they_began() -> None:
    order: list[int] = []

    async def wait(number: int) -> None:
        if number % 2:
            await conc.sleep(1)
        else:
            await conc.select(conc.after(1))
        order.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(wait, number)

    run(main)
    assert order == [0, 1, 2, 3, 4, 5]


def test_on_a_real_clock_it_is_never_early() -> None:
    async def main() -> None:
        for seconds in (0.001, 0.01):
            before = conc.current_time()
            assert await conc.select(Event().waiting(), conc.after(seconds)) == (1, None)
            assert conc.current_time() >= before + seconds

    conc.run(main)


def test_a_thread_that_is_faster_than_the_clock_decides() -> None:
    async def main() -> None:
        event = Event()
        thread = threading.Thread(target=event.set)
        thread.start()
        assert await conc.select(event.waiting(), conc.after(60)) == (0, None)
        thread.join()
        assert timers_left() == 0

    conc.run(main)


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(-1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError), (None, TypeError)],
)
def test_a_bad_number_of_seconds_is_refused_by_name(seconds: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="seconds"):
        conc.after(seconds)


@pytest.mark.parametrize(("deadline", "error"), [(math.nan, ValueError), ("1", TypeError), (True, TypeError)])
def test_a_bad_deadline_is_refused_by_name(deadline: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="deadline"):
        conc.at(deadline)


class Contested(QueueOperation[None]):
    """What another thread always takes first: a select that waits for it has to begin again."""

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER


def test_a_select_that_has_to_begin_again_goes_on_counting() -> None:
    async def main() -> None:
        queue = WaitQueue("Contested")
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, Contested(queue), conc.after(4.5))
            for _ in range(4):
                await conc.sleep(1)
                with queue.lock:
                    waiter = queue.grant(AGAIN)
                assert waiter is not None
                waiter.resume()
            assert await task.join() == (1, None)
        assert conc.current_time() == 4.5
        assert timers_left() == 0

    run(main)
