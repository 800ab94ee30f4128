"""Invariant: nobody sleeps beside work. The polls have no time limit here: a wake-up that is lost is lost for ever."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import pytest

import conc
from conc._kernel.current import current_worker
from conc.lowlevel import current_task, expect_wakeup
from conc.sync import Event, Semaphore
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.watchdog import in_threads


class no_limit(expect_wakeup):  # noqa: N801  # used like a function
    """``with no_limit():`` the workers of this run sleep until they are woken, for ever if need be.

    Otherwise they look at least once a second (several workers without a GIL, foreign threads), which would hide a
    wake-up that was lost.
    """

    def __enter__(self) -> None:
        super().__enter__()
        for worker in current_worker().crew.workers:
            worker._patience = math.inf


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_no_worker_sleeps_beside_an_unstarted_strand(run: Run, dice: Dice, workers: int) -> None:
    async def stand_still(all_of_us: threading.Barrier) -> None:
        all_of_us.wait(20)  # blocks its thread: it passes only if each strand has come to a worker of its own

    async def start_all_at_once(all_of_us: threading.Barrier, seconds: float) -> None:
        await conc.sleep(seconds)
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(workers):
                nursery.start_soon(stand_still, all_of_us)

    async def start_one_another(all_of_us: threading.Barrier, left: int) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            if left:
                nursery.start_soon(start_one_another, all_of_us, left - 1)
            nursery.start_soon(stand_still, all_of_us)

    async def main() -> None:
        with no_limit():
            for _ in range(load(10_000)):
                await start_all_at_once(threading.Barrier(workers), dice.seconds(0, 0.0003))
                await start_one_another(threading.Barrier(workers), workers - 1)

    run(main, workers=workers)


def test_no_wakeup_between_strands_is_lost(run: Run, dice: Dice) -> None:
    """Players on three workers throw one another balls; most of the time everybody sleeps but who has one."""
    players, balls, throws = 9, 2, load(500_000)
    hands = [Semaphore(0) for _ in range(players)]
    thrown: list[int] = []

    async def player(number: int) -> None:
        chance = dice.another()
        while True:
            await hands[number].acquire()
            thrown.append(number)
            if len(thrown) >= throws:
                for hand in hands:
                    hand.release(balls + 1)
                return
            hands[chance.between(0, players - 1)].release()

    async def main() -> None:
        with no_limit():
            async with conc.open_nursery(parallel=True) as nursery:
                for number in range(players):
                    nursery.start_soon(player, number)
                for number in range(balls):
                    hands[number].release()

    run(main)
    assert len(thrown) >= throws


def test_no_wakeup_by_a_thread_is_lost(run: Run, dice: Dice) -> None:
    """Foreign threads set events, directly or through a portal; somebody waits for each, and lets the next come."""
    rounds = load(100_000)

    async def strand(waiting: list[Event], served: threading.Semaphore) -> None:
        for event in waiting:
            await event.wait()
            served.release()

    def poke(waiting: list[Event], served: threading.Semaphore, call: Callable[..., object]) -> None:
        chance = dice.another()
        for event in waiting:
            if chance.chance() < 0.5:
                event.set()
            else:
                call(event.set)
            if chance.chance() < 0.5:
                time.sleep(chance.seconds(0, 0.0002))  # so that it comes before, while and after they fall asleep
            served.acquire()

    async def main() -> None:
        with no_limit():
            async with conc.open_portal() as portal, conc.open_nursery(parallel=True) as nursery:
                threads = []
                for _ in range(4):
                    events = [Event() for _ in range(rounds // 4)]
                    served = threading.Semaphore(0)
                    nursery.start_soon(strand, events, served)
                    threads += in_threads(partial(poke, events, served, portal.call_soon))
        for thread in threads:
            thread.join()

    run(main)


def test_no_burst_of_strands_is_left_asleep(run: Run, dice: Dice) -> None:
    """Several strands start bursts of strands at random moments, which end soon, so that all fall asleep between."""
    bursts = load(15_000)
    ended: list[int] = []

    async def spark(count: int) -> None:
        await conc.checkpoint()
        if count % 3 == 0:
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(spark, 1)
                nursery.start_soon(spark, 2)
        ended.append(count)

    async def rocket(chance: Dice) -> None:
        for _ in range(bursts):
            await conc.sleep(chance.seconds(0, 0.0005))
            async with conc.open_nursery(parallel=True) as nursery:
                for count in range(chance.between(1, 6)):
                    nursery.start_soon(spark, count)

    async def main() -> None:
        with no_limit():
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(3):
                    nursery.start_soon(rocket, dice.another())

    run(main)
    assert len(ended) > 3 * bursts


def test_no_message_to_a_strand_is_lost_while_it_is_taken(run: Run, dice: Dice) -> None:
    """Strands are cancelled and joined from elsewhere in the moment in which a worker takes and starts them."""

    async def child() -> None:
        await conc.sleep_forever()

    async def cancel(task: conc.Task[None]) -> None:
        task.cancel()

    async def join(task: conc.Task[None]) -> None:
        try:
            await task.join()
        except conc.TaskCancelled:
            return
        raise AssertionError("it was not cancelled")

    async def main() -> None:
        assert current_task().strand.worker is current_worker()
        with no_limit():
            for _ in range(load(20_000)):
                async with conc.open_nursery(parallel=True) as nursery:
                    tasks = [nursery.start_soon(child) for _ in range(dice.between(1, 4))]
                    for task in tasks:
                        nursery.start_soon(join, task)
                        nursery.start_soon(cancel, task)

    run(main)


def test_a_thread_that_cancels_strands_while_they_are_taken_is_heard(run: Run) -> None:
    """Each strand ends only if it hears of its cancellation, which comes at about the moment when it gets an owner."""
    count = load(100_000)
    started: deque[conc.Task[None]] = deque()
    over = threading.Event()

    async def strand() -> None:
        await conc.sleep_forever()

    def cancel_each() -> None:
        while not over.is_set():
            try:
                started.popleft().cancel()
            except IndexError:
                time.sleep(0)

    async def main() -> None:
        with no_limit():
            async with conc.open_nursery(parallel=True) as nursery:
                for number in range(count):
                    started.append(nursery.start_soon(strand))
                    if number % 8 == 0:
                        await conc.checkpoint()

    threads = in_threads(cancel_each, cancel_each)
    try:
        run(main)
    finally:
        over.set()
        for thread in threads:
            thread.join()
