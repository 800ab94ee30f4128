"""Deadlock is declared when nothing can wake anybody, and never before: with several workers, under load."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc._kernel.crew import Crew
from conc._kernel.descriptors import Descriptors
from conc.lowlevel import MonotonicClock
from conc.sync import Event, Semaphore
from tests.stress.churn import Churn, Run
from tests.stress.load import Dice, load


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_a_program_that_goes_on_is_no_deadlock(run: Run, dice: Dice, workers: int) -> None:
    """All workers fall asleep again and again, with nothing under way but one message between two strands."""
    strands = 6
    hands = [Semaphore(0) for _ in range(strands)]
    throws = load(200_000)
    thrown: list[int] = []

    async def player(number: int, chance: Dice) -> None:
        while True:
            await hands[number].acquire()
            thrown.append(number)
            if len(thrown) >= throws:
                for hand in hands:
                    hand.release()
                return
            hands[chance.between(0, strands - 1)].release()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(strands):
                nursery.start_soon(player, number, dice.another())
            hands[0].release()

    run(main, workers=workers)
    assert len(thrown) >= throws


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_strands_that_only_start_and_join_one_another_are_no_deadlock(run: Run, dice: Dice, workers: int) -> None:
    async def chain(left: int) -> int:
        if not left:
            return 0
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(chain, left - 1)
            await task.join()
        return 1 + task.join_nowait()

    async def main() -> None:
        for _ in range(load(3_000)):
            depth = dice.between(1, 10)
            assert await chain(depth) == depth

    run(main, workers=workers)


def test_a_random_program_is_no_deadlock(run: Run, dice: Dice) -> None:
    churn = Churn(dice, load(100_000))

    run(churn.main, workers=4)

    churn.check()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_program_that_cannot_go_on_is_found_every_time(run: Run, dice: Dice, workers: int) -> None:
    async def wait(event: Event, seconds: float) -> None:
        await conc.sleep(seconds)
        await event.wait()

    async def main() -> None:
        event = Event()
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(wait, event, dice.seconds(0, 0.002))

    for _ in range(load(200)):
        with pytest.raises(conc.Deadlock, match=r"Event\.wait"):
            run(main, workers=workers)


class Sleeper:
    """A worker that sleeps, as far as the decision looks at it."""

    def __init__(self) -> None:
        self.asleep = self.running = True
        self.sleeps = 1
        self.stirred = False
        self.looks = 0
        self.deadline = math.inf
        self.ready = self.inbox = self.fresh = deque[str]()
        self.descriptors = Descriptors(self, None)  # type: ignore[arg-type]


class Talker(Sleeper):
    """A worker that, at the moment when it is looked at, tells another one something, and then goes to sleep."""

    def __init__(self, when: str, tell: Callable[[], None]) -> None:
        super().__init__()
        self._when = when
        self._tell = tell

    def __getattribute__(self, name: str) -> Any:
        if name == super().__getattribute__("_when"):
            self._tell()
        return super().__getattribute__(name)


@pytest.mark.parametrize(("when", "is_quick"), [("ready", False), ("descriptors", False), ("descriptors", True)])
def test_who_is_told_something_after_it_was_looked_at_is_not_taken_for_asleep(when: str, is_quick: bool) -> None:
    declared: list[str] = []

    def tell() -> None:
        if is_quick:
            first.sleeps += 1  # it has woken up, handled the message, and sleeps again
        else:
            first.inbox = deque(["a message"])

    first = Sleeper()
    last = Talker(when, tell)
    crew = Crew(MonotonicClock())
    crew.workers = [first, last]  # type: ignore[list-item]
    crew.threads.update(sys._current_frames())
    crew.on_deadlock = lambda: declared.append("deadlock")

    assert crew.all_asleep(last, 0) == math.inf  # type: ignore[arg-type]
    assert declared == []


def test_who_all_sleep_the_same_sleep_are_found_to_be_deadlocked() -> None:
    declared: list[str] = []
    sleepers = [Sleeper(), Sleeper()]
    crew = Crew(MonotonicClock())
    crew.workers = sleepers  # type: ignore[assignment]
    crew.threads.update(sys._current_frames())
    crew.on_deadlock = lambda: declared.append("deadlock")

    assert crew.all_asleep(sleepers[1], 0) == 0  # type: ignore[arg-type]
    assert declared == ["deadlock"]
