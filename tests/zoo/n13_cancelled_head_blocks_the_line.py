"""N13: the first in line wants more than there is and is cancelled; those behind it want less, and go on waiting.

In a fair line only the first is looked at, so whoever leaves it makes somebody else the first. Leaving is therefore
like a release: the next may be served. Seen in embassy's semaphore (embassy-rs/embassy#6964).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import conc
from conc.lowlevel import Task
from conc_testing import LostWakeup, watch
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Ledger, Line


class Semaphore:
    """One permit, strictly first come first served."""

    def __init__(self) -> None:
        self.free = 1
        self.ledger = Ledger("Semaphore")
        self._line = self._make_line()

    async def acquire(self, n: int) -> None:
        with self.ledger.wait():
            if self._line or n > self.free:
                await self._line.wait(n)
            else:
                self.free -= n

    def release(self, n: int) -> None:
        self.free += n
        self.serve()

    def serve(self) -> None:
        while self.may_serve():
            first = self._line.first
            assert first is not None
            self.free -= self._line.request_of(first)
            self.ledger.hand(first, "permits")
            self._line.let_go()

    def may_serve(self) -> bool:
        """Whether the free permits suffice for the first in line."""
        first = self._line.first
        return first is not None and self._line.request_of(first) <= self.free

    def _make_line(self) -> Line:
        raise NotImplementedError


class ServingLine(Line):
    """A line that knows of its semaphore."""

    def __init__(self, semaphore: Semaphore) -> None:
        super().__init__("Semaphore.acquire", semaphore.may_serve)
        self._semaphore = semaphore

    def withdraw(self, task: Task[Any]) -> bool:
        super().withdraw(task)
        self._semaphore.serve()
        return True


class Broken(Semaphore):
    """Who is cancelled leaves the line."""

    def _make_line(self) -> Line:
        return Line("Semaphore.acquire", self.may_serve)


class Right(Semaphore):
    """Who is cancelled leaves the line, and the next is served."""

    def _make_line(self) -> Line:
        return ServingLine(self)


def program(make: Callable[[], Semaphore]) -> Scenario:
    """One wants two permits of one, until it is cancelled; the other wants one."""

    async def main() -> None:
        semaphore = make()
        watch(semaphore.ledger)

        async def use(n: int) -> None:
            await semaphore.acquire(n)
            semaphore.release(n)

        async with conc.open_nursery() as nursery:
            large = nursery.start_soon(use, 2, name="large")
            nursery.start_soon(do, large.cancel, name="canceller")
            nursery.start_soon(use, 1, name="small")
        assert semaphore.free == 1

    return main


CASE = Case(
    name="N13",
    title="a large request is cancelled, and the small ones behind it are not served",
    broken=program(Broken),
    right=program(Right),
    fails_with=LostWakeup,
)
