"""N2: the first in line was cancelled but has not run yet, and a release looks at nobody behind it.

A cancelled waiter takes itself out of the line when it unwinds, which is later. A release that comes in between finds
it at the head, sees that it is gone, and puts the permit back for whoever comes next; but who waits behind it came
before, and is never woken. Seen in AnyIO (agronholm/anyio#1145) and in CPython's asyncio.Semaphore (gh-90155).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import conc
from conc.lowlevel import Task, current_task, park, unpark
from conc_testing import LostWakeup
from tests.zoo.case import Case, Scenario, do


class Semaphore:
    """Permits, first come first served."""

    def __init__(self) -> None:
        self.free = 0
        self.line: deque[Waiter] = deque()

    async def acquire(self) -> None:
        if self.free:
            self.free -= 1
            return
        waiter = Waiter(self)
        self.line.append(waiter)
        try:
            await park(waiter)
        finally:
            if waiter in self.line:  # it was cancelled
                self.line.remove(waiter)

    def release(self) -> None:
        raise NotImplementedError


class Waiter:
    """A task that waits for a permit, or has `gone` and did not run since."""

    reason = "Semaphore.acquire"

    def __init__(self, semaphore: Semaphore) -> None:
        self.task = current_task()
        self.gone = False
        self._semaphore = semaphore

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled."""
        self.gone = True
        return True

    def would_succeed(self, task: Task[Any]) -> bool:
        """Whether it waits for nothing."""
        return self._semaphore.free > 0


class Broken(Semaphore):
    """Looks at the head only."""

    def release(self) -> None:
        if self.line and not self.line[0].gone:
            unpark(self.line.popleft().task)
        else:
            self.free += 1


class Right(Semaphore):
    """Drops from the line who has gone, and wakes the next."""

    def release(self) -> None:
        while self.line:
            waiter = self.line.popleft()
            if not waiter.gone:
                unpark(waiter.task)
                return
        self.free += 1


def program(make: Callable[[], Semaphore]) -> Scenario:
    """One permit for two tasks, of which one may be cancelled."""

    async def main() -> None:
        semaphore = make()

        async def use() -> None:
            await semaphore.acquire()
            semaphore.release()

        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(use, name="first")
            nursery.start_soon(use, name="second")
            nursery.start_soon(do, semaphore.release, name="releaser")
            nursery.start_soon(do, first.cancel, name="canceller")
        assert semaphore.free == 1, "a permit is gone"

    return main


CASE = Case(
    name="N2",
    title="a release finds a cancelled task at the head of the line, and wakes nobody",
    broken=program(Broken),
    right=program(Right),
    fails_with=LostWakeup,
)
