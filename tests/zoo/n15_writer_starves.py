"""N15: readers come and go, at least one is always there, and a writer waits for ever.

"Readers may share" lets a reader in whenever nobody writes. As long as the next reader comes before the last one has
left, no writer ever does. Once a writer waits, new readers have to stand behind it. Seen in async-std
(async-rs/async-std#705) and futures-locks (asomers/futures-locks#34).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from tests.zoo.case import Case, Scenario
from tests.zoo.line import Line


class RwLock:
    """Many readers or one writer; it counts the readers that `passed` a waiting writer."""

    def __init__(self) -> None:
        self.passed = 0
        self._inside = 0  # readers; or -1, a writer
        self._writers = Line("RwLock.acquire_write", lambda: self._inside == 0)
        self._readers = Line("RwLock.acquire_read", lambda: self._inside >= 0 and not self._writers)

    async def acquire_read(self) -> None:
        if self._inside < 0 or not self._may_enter():
            await self._readers.wait()
        else:
            self.passed += bool(self._writers)
            self._inside += 1

    async def acquire_write(self) -> None:
        if self._inside:
            await self._writers.wait()
        else:
            self._inside = -1

    def release(self) -> None:
        self._inside = max(0, self._inside - 1)
        if self._inside == 0 and self._writers.let_go():
            self._inside = -1
        while self._inside >= 0 and self._readers.let_go():
            self._inside += 1

    def _may_enter(self) -> bool:
        """Whether a reader may enter, while nobody writes."""
        raise NotImplementedError


class Broken(RwLock):
    """Readers may share."""

    def _may_enter(self) -> bool:
        return True


class Right(RwLock):
    """Readers may share, unless a writer waits."""

    def _may_enter(self) -> bool:
        return not self._writers


def program(make: Callable[[], RwLock]) -> Scenario:
    """Two readers and a writer."""

    async def main() -> None:
        lock = make()

        async def read() -> None:
            await lock.acquire_read()
            await conc.checkpoint()
            lock.release()

        async def write() -> None:
            await lock.acquire_write()
            await conc.checkpoint()
            lock.release()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(read, name="first")
            nursery.start_soon(read, name="second")
        assert lock.passed == 0, "a reader has passed a waiting writer"

    return main


CASE = Case(
    name="N15",
    title="new readers enter while a writer waits",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
