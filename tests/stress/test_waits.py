"""Invariant: every wait is decided once, whoever wants to decide it; permits are conserved, nobody is forgotten."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc import CancelScope, Task
from conc.errors import ClosedResource
from conc.lowlevel import expect_wakeup, park, unpark
from conc.sync import Event, Semaphore
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership
from tests.stress.watchdog import in_threads


class Meddlers:
    """Four threads that release, cancel, move deadlines, and look under the lock, as fast as they can.

    Args:
        dice: their choices.
        semaphore: what is fought for.
    """

    def __init__(self, dice: Dice, semaphore: Semaphore) -> None:
        self.scopes: deque[CancelScope] = deque(maxlen=30)
        self.owed: deque[int] = deque()  # permits that were taken by tasks, and are to be released by a thread
        self._semaphore = semaphore
        self._over = False
        self._errors: list[BaseException] = []
        meddling = (self._release, self._cancel, self._move_a_deadline, self._look)
        self._threads = in_threads(*(self._again_and_again(meddle, dice.another()) for meddle in meddling))

    def end(self) -> None:
        """Let them end, and release what is still owed."""
        self._over = True
        for thread in self._threads:
            thread.join()
        while self.owed:
            self._semaphore.release(self.owed.popleft())
        assert not self._errors

    def _again_and_again(self, meddle: Callable[[Dice], None], dice: Dice) -> Callable[[], None]:
        def meddler() -> None:
            try:
                while not self._over:
                    meddle(dice)
                    time.sleep(dice.seconds(0, 0.0003))
            except BaseException as error:
                self._errors.append(error)

        return meddler

    def _release(self, dice: Dice) -> None:
        for _ in range(len(self.owed)):
            self._semaphore.release(self.owed.popleft())

    def _cancel(self, dice: Dice) -> None:
        if self.scopes:
            dice.pick(self.scopes.copy()).cancel("a thread")

    def _move_a_deadline(self, dice: Dice) -> None:
        if self.scopes:
            soon = time.monotonic() + dice.seconds(-0.001, 0.002)
            dice.pick(self.scopes.copy()).deadline = soon if dice.chance() < 0.7 else math.inf

    def _look(self, dice: Dice) -> None:
        with self._semaphore._waiters.lock:
            self._semaphore._check()


class Fight:
    """Tasks that take permits and give them back, each in a scope that may be cancelled at any time."""

    def __init__(self, dice: Dice, permits: int, closes_after: int | None = None) -> None:
        self.dice = dice
        self.semaphore = Semaphore(permits, max_value=permits)
        self.meddlers = Meddlers(dice, self.semaphore)
        self.taken = 0
        self._closes_after = closes_after
        self._count = threading.Lock()

    async def main(self, strands: int, tasks: int, rounds: int) -> None:
        """The whole fight."""
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(strands):
                nursery.start_soon(self._strand, tasks, rounds)

    async def _strand(self, tasks: int, rounds: int) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(self._fighter, self.dice.another(), rounds)

    async def _fighter(self, dice: Dice, rounds: int) -> None:
        for _ in range(rounds):
            wanted = dice.between(1, 3)
            with CancelScope() as scope:
                if dice.chance() < 0.5:
                    self.meddlers.scopes.append(scope)
                if dice.chance() < 0.5:
                    scope.deadline = conc.current_time() + dice.seconds(0, 0.001)
                try:
                    await self.semaphore.acquire(wanted)
                except ClosedResource:
                    return
                await self._hold(dice, wanted)

    async def _hold(self, dice: Dice, wanted: int) -> None:
        with self._count:
            self.taken += 1
        if self.taken == self._closes_after:
            self.semaphore.close()
        try:
            if dice.chance() < 0.5:
                await conc.checkpoint()
        finally:
            if dice.chance() < 0.5:
                self.meddlers.owed.append(wanted)
            else:
                self.semaphore.release(wanted)


@pytest.mark.parametrize("closes_after", [None, 50])
def test_every_wait_for_permits_is_decided_once_and_no_permit_is_lost(
    run: Run, dice: Dice, closes_after: int | None
) -> None:
    for _ in range(load(100 if closes_after is None else 200)):
        fight = Fight(dice, 5, closes_after)

        with ownership():
            run(fight.main, 6, 5, 60 if closes_after is None else 20)
        fight.meddlers.end()

        fight.semaphore._check()
        assert fight.semaphore.value == 5
        assert len(fight.semaphore._waiters) == 0
        assert fight.taken > 0


def test_every_wait_for_an_event_ends_when_it_is_set_or_its_scope_is_cancelled(run: Run, dice: Dice) -> None:
    outcomes: list[str] = []
    rounds = load(2000)

    async def listener(event: Event, scopes: list[CancelScope], seconds: float) -> None:
        with conc.move_on_after(seconds) as scope:
            scopes.append(scope)
            await event.wait()
            outcomes.append("passed")
        if scope.cancelled_caught:
            outcomes.append("cancelled")

    async def main() -> None:
        event = Event()
        scopes: list[CancelScope] = []
        moment = dice.seconds(0, 0.002)

        def set_the_event() -> None:
            time.sleep(moment)
            event.set()

        def cancel_some() -> None:
            for scope in list(scopes)[::3]:
                scope.cancel()

        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(20):
                nursery.start_soon(listener, event, scopes, dice.seconds(0, 0.004))
            threads = in_threads(set_the_event, cancel_some)
        for thread in threads:
            thread.join()
        event._check()

    for _ in range(rounds):
        run(main)
    assert len(outcomes) == 20 * rounds
    assert set(outcomes) == {"passed", "cancelled"}


class Line:
    """A line of waits from which any thread may decide the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waits: list[AnyOf] = []

    def grant(self) -> bool:
        """Decide the first wait that nobody has decided yet."""
        with self.lock:
            decided = None
            while self.waits and decided is None:
                wait = self.waits.pop(0)
                decided = wait if wait.decide() else None
        if decided is not None:
            unpark(decided.task, self)
        return decided is not None


class AnyOf:
    """A wait in several lines at once: whoever takes the claim decides."""

    reason = "any of some lines"

    def __init__(self, lines: list[Line]) -> None:
        self.task: Task[Any]
        self._lines = lines
        self._claim = [None]

    async def wait(self) -> Line:
        """Wait for a grant in one of the lines; returns which it was."""
        try:
            line: Line = await park(self, self._begin)
        finally:
            for other in self._lines:
                with other.lock:
                    if self in other.waits:
                        other.waits.remove(self)
        assert line in self._lines
        return line

    def _begin(self, task: Task[Any]) -> None:
        self.task = task
        for line in self._lines:
            with line.lock:
                if self._claim:  # a grant in one line may come before it stands in the next
                    line.waits.append(self)

    def decide(self) -> bool:
        """True for the first who asks."""
        try:
            self._claim.pop()
        except IndexError:
            return False
        return True

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled."""
        return self.decide()


def test_a_wait_in_several_lines_is_decided_by_one_of_them_or_by_a_cancellation(run: Run, dice: Dice) -> None:
    lines = [Line() for _ in range(3)]
    passed: list[Line] = []
    granted: list[int] = []
    over = threading.Event()

    def grant_as_fast_as_possible(line: Line, dice: Dice) -> Callable[[], None]:
        def granter() -> None:
            count = 0
            while not over.is_set():
                count += line.grant()
                time.sleep(dice.seconds(0, 0.0002))
            granted.append(count)

        return granter

    async def waiter(dice: Dice) -> None:
        for _ in range(load(3000)):
            with conc.move_on_after(dice.seconds(0, 0.002)):
                passed.append(await AnyOf([line for line in lines if dice.chance() < 0.6] or lines[:1]).wait())

    async def strand() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(waiter, dice.another())

    async def main() -> None:
        with expect_wakeup():
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(4):
                    nursery.start_soon(strand)

    granters = in_threads(*(grant_as_fast_as_possible(line, dice.another()) for line in [*lines, lines[0]]))
    try:
        with ownership():
            run(main)
    finally:
        over.set()
        for thread in granters:
            thread.join()
    assert len(passed) == sum(granted) > 0
    assert not any(line.waits for line in lines)
