"""N22: a limiter is made smaller than what it has lent, the number of free tokens is negative, and that counts as true.

After a resize fewer tokens than none are free, until enough come back. "Are any free?" has to ask for more than zero.
tokio's semaphore has tests for each such number (sync_semaphore: add_permits, forget, and an overflow of either).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Line


class Limiter:
    """Lends tokens; how many there are may be changed. It counts grants that were `too_many`."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.lent = 0
        self.too_many = 0
        self._line = Line("Limiter.acquire", lambda: self.free > 0)

    @property
    def free(self) -> int:
        """How many are left; less than none after a resize."""
        return self.total - self.lent

    async def acquire(self) -> None:
        if self._is_any_free():
            self._lend()
        else:
            await self._line.wait()

    def release(self) -> None:
        self.lent -= 1
        self._serve()

    def resize(self, total: int) -> None:
        self.total = total
        self._serve()

    def _serve(self) -> None:
        while self._line and self._is_any_free():
            self._lend()
            self._line.let_go()

    def _lend(self) -> None:
        self.too_many += self.free <= 0
        self.lent += 1

    def _is_any_free(self) -> bool:
        raise NotImplementedError


class Broken(Limiter):
    """Any number but zero is true."""

    def _is_any_free(self) -> bool:
        return bool(self.free)


class Right(Limiter):
    """More than zero."""

    def _is_any_free(self) -> bool:
        return self.free > 0


def program(make: Callable[[int], Limiter]) -> Scenario:
    """One of two tokens is lent for the whole time; two tasks want one, while one token is taken away."""

    async def main() -> None:
        limiter = make(2)
        await limiter.acquire()

        async def use() -> None:
            await limiter.acquire()
            await conc.checkpoint()
            limiter.release()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(do, limiter.resize, 1, name="resizer")
            nursery.start_soon(use, name="first")
            nursery.start_soon(use, name="second")
            await conc.sleep(1)
            limiter.release()
        assert limiter.too_many == 0
        assert limiter.free == 1

    return main


CASE = Case(
    name="N22",
    title="a limiter that was made smaller than what it has lent lends on",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
