"""N3: a token is given back and the first in line woken; before that one runs, somebody else takes the token.

Between the decision to wake a task and its next step others run. A token that is not the woken task's own in the
meantime goes to whoever asks at that moment; if the woken task then takes it too, as the one it was woken for, more
tokens are lent than there are. Seen in AnyIO's CapacityLimiter (agronholm/anyio#1170).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.errors import WouldBlock
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Line


class Limiter:
    """Lends one token, first come first served."""

    total = 1

    def __init__(self) -> None:
        self.lent = 0
        self._line = Line("Limiter.acquire", lambda: self.lent < self.total)

    def acquire_nowait(self) -> None:
        if self.lent >= self.total or self._line:
            raise WouldBlock("all tokens are lent")
        self.lent += 1

    async def acquire(self) -> None:
        try:
            self.acquire_nowait()
        except WouldBlock:
            await self._line.wait()
            self._was_woken()

    def release(self) -> None:
        raise NotImplementedError

    def _was_woken(self) -> None:
        """The task that is woken by `release` runs."""

    def audit(self) -> str | None:
        """A token that was lent twice."""
        return f"{self.lent} tokens are lent, of {self.total}" if self.lent > self.total else None


class Broken(Limiter):
    """Wakes the next, who then takes the token: if it is still there."""

    def release(self) -> None:
        self.lent -= 1
        self._line.let_go()

    def _was_woken(self) -> None:
        self.lent += 1


class Right(Limiter):
    """Lends the token to the next before anybody else can ask."""

    def release(self) -> None:
        if self._line.let_go() is None:
            self.lent -= 1


def program(make: Callable[[], Limiter]) -> Scenario:
    """A token is given back while one task waits for it, and another one tries its luck."""

    async def main() -> None:
        limiter = make()
        watch(limiter)

        async def use() -> None:
            await limiter.acquire()
            await conc.sleep(1)
            limiter.release()

        async def use_if_free() -> None:
            try:
                limiter.acquire_nowait()
            except WouldBlock:
                return
            await conc.sleep(1)
            limiter.release()

        limiter.acquire_nowait()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, name="patient")
            nursery.start_soon(use_if_free, name="hasty")
            nursery.start_soon(do, limiter.release, name="releaser")
        assert limiter.lent == 0, "a token is gone"

    return main


CASE = Case(
    name="N3",
    title="a newcomer takes the token that a woken task was about to take",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
)
