"""N12: who wants many permits is overtaken by those who want one, for as long as they come.

"If enough are free, take them" lets everybody pass who is modest. The permits never pile up, and the large request
starves. Who finds a line has to stand in it. Discussed for tokio's Semaphore (tokio-rs/tokio#1973, review of #2004).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from tests.zoo.case import Case, Scenario
from tests.zoo.line import Line


class Semaphore:
    """Two permits; it remembers who `asked` for some and who `got` them, in order."""

    def __init__(self) -> None:
        self.free = 2
        self.asked: list[str] = []
        self.got: list[str] = []
        self._line = Line("Semaphore.acquire", self._is_first_served)

    async def acquire(self, n: int, name: str) -> None:
        self.asked.append(name)
        if self.free >= n and self._may_pass():
            self.free -= n
            self.got.append(name)
        else:
            await self._line.wait((n, name))

    def release(self, n: int) -> None:
        self.free += n
        while self._is_first_served():
            assert self._line.first is not None
            n, name = self._line.request_of(self._line.first)
            self.free -= n
            self.got.append(name)
            self._line.let_go()

    def _is_first_served(self) -> bool:
        """Whether the free permits suffice for the first in line."""
        first = self._line.first
        return first is not None and self._line.request_of(first)[0] <= self.free

    def _may_pass(self) -> bool:
        """Whether a newcomer may take permits that are free."""
        raise NotImplementedError


class Broken(Semaphore):
    """Free is free."""

    def _may_pass(self) -> bool:
        return True


class Right(Semaphore):
    """Free permits are for those who wait for more of them."""

    def _may_pass(self) -> bool:
        return not self._line


def program(make: Callable[[], Semaphore]) -> Scenario:
    """One wants both permits, two want one each."""

    async def main() -> None:
        semaphore = make()

        async def use(n: int, name: str) -> None:
            await semaphore.acquire(n, name)
            await conc.checkpoint()
            semaphore.release(n)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, 2, "large", name="large")
            nursery.start_soon(use, 1, "early", name="early")
            nursery.start_soon(use, 1, "late", name="late")
        assert semaphore.got == semaphore.asked, "somebody was overtaken"
        assert semaphore.free == 2

    return main


CASE = Case(
    name="N12",
    title="small requests overtake a large one",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
