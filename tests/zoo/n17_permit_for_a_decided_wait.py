"""N17: one wait stands in line twice, is granted one permit, and a second one that it does not take.

Whoever waits for the first of several stands in several lines, or in the same one several times, and leaves the others
when it runs. Until then they hold a wait that has been decided. A permit given to such a wait is given to nobody: it
has to go to the next. Seen in tokio's select over two acquires of one semaphore (tokio-rs/tokio#6450).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import conc
from conc.lowlevel import Task, current_task, park, unpark
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario, do


class Wait:
    """A task that waits for the first of several permits."""

    reason = "the first of several permits"

    def __init__(self, semaphores: tuple[Semaphore, ...]) -> None:
        self.decided = False
        self._task = current_task()
        self._semaphores = semaphores

    def grant(self) -> None:
        self.decided = True
        unpark(self._task)

    def leave(self) -> None:
        for semaphore in self._semaphores:
            while self in semaphore.line:
                semaphore.line.remove(self)

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled."""
        self.leave()
        return True

    def would_succeed(self, task: Task[Any]) -> bool:
        """Whether it waits for nothing."""
        return any(semaphore.free for semaphore in self._semaphores)


class Semaphore:
    """Permits, first come first served; it counts those that were `released` and `acquired`."""

    def __init__(self) -> None:
        self.free = self.released = self.acquired = 0
        self.line: deque[Wait] = deque()

    def release(self) -> None:
        self.released += 1
        self._give()

    def _give(self) -> None:
        """Give a permit to the first in line."""
        raise NotImplementedError

    def _grant(self, wait: Wait) -> None:
        self.acquired += 1
        wait.grant()

    def audit(self) -> str | None:
        """Permits that nobody has."""
        lost = self.released - self.acquired - self.free
        return f"{lost} permit(s) went to a wait that had one already" if lost else None


async def acquire_first(*semaphores: Semaphore) -> None:
    """Take one permit, of whichever semaphore has one first."""
    for semaphore in semaphores:
        if semaphore.free:
            semaphore.free -= 1
            semaphore.acquired += 1
            return
    wait = Wait(semaphores)
    for semaphore in semaphores:
        semaphore.line.append(wait)
    try:
        await park(wait)
    finally:
        wait.leave()


class Broken(Semaphore):
    """Passes over a decided wait, but the permit is gone."""

    def _give(self) -> None:
        if self.line:
            wait = self.line.popleft()
            if not wait.decided:
                self._grant(wait)
        else:
            self.free += 1


class Right(Semaphore):
    """Passes over decided waits until somebody takes the permit, or nobody is left."""

    def _give(self) -> None:
        while self.line:
            wait = self.line.popleft()
            if not wait.decided:
                self._grant(wait)
                return
        self.free += 1


def program(make: Callable[[], Semaphore]) -> Scenario:
    """Two permits are released, of which one is wanted: the other is left."""

    async def main() -> None:
        semaphore = make()
        watch(semaphore)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(do, semaphore.release, name="first")
            nursery.start_soon(acquire_first, semaphore, semaphore, name="acquirer")
            nursery.start_soon(do, semaphore.release, name="second")

    return main


CASE = Case(
    name="N17",
    title="a permit is given to a wait that was granted one already",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
)
