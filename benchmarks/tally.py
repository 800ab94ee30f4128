"""A tally of tasks that have come to some point: the one who waits for all of them is told by the last.

For scenarios in which many are woken at once and again and again: nobody may be ahead of the others. The tally is the
same for every library but for how the last one tells it, which is the lightest thing that each has for that.
"""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.peers import anyio, conc, tinyio, tonio, trio


class Tally:
    """Who comes says `tally.left -= 1` and, if then none is `left`, `tally.complete()`: written out, for a call would
    cost as much as what is measured. One task waits for all, then the next round counts from the start."""

    __slots__ = ("_everyone", "left")

    def __init__(self, everyone: int) -> None:
        self._everyone = self.left = everyone

    def complete(self) -> None:
        """All have come."""
        self.left = self._everyone


class ConcTally(Tally):
    """Tells with a Notify."""

    __slots__ = ("_notify",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._notify = conc.sync.Notify()

    def complete(self) -> None:
        super().complete()
        self._notify.notify_one()

    async def wait(self) -> None:
        """Until all have come."""
        await self._notify.notified()


class AsyncioTally(Tally):
    """Tells with a Future."""

    __slots__ = ("_future",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._future = asyncio.get_running_loop().create_future()

    def complete(self) -> None:
        super().complete()
        self._future.set_result(None)

    async def wait(self) -> None:
        """Until all have come."""
        await self._future
        self._future = asyncio.get_running_loop().create_future()


class TrioTally(Tally):
    """Tells with an Event, a new one each time."""

    __slots__ = ("_event",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._event = trio.Event()

    def complete(self) -> None:
        super().complete()
        self._event.set()

    async def wait(self) -> None:
        """Until all have come."""
        await self._event.wait()
        self._event = trio.Event()


class AnyioTally(Tally):
    """Tells with an Event, a new one each time."""

    __slots__ = ("_event",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._event = anyio.Event()

    def complete(self) -> None:
        super().complete()
        self._event.set()

    async def wait(self) -> None:
        """Until all have come."""
        await self._event.wait()
        self._event = anyio.Event()


class TinyioTally(Tally):
    """Tells with an Event, cleared each time."""

    __slots__ = ("_event",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._event = tinyio.Event()

    def complete(self) -> None:
        super().complete()
        self._event.set()

    def wait(self) -> Generator[Any, Any, None]:
        """Until all have come."""
        yield from self._event.wait()
        self._event.clear()


class TonioTally(Tally):
    """Tells with an Event, cleared each time."""

    __slots__ = ("_event",)

    def __init__(self, everyone: int) -> None:
        super().__init__(everyone)
        self._event = tonio.colored.Event()

    def complete(self) -> None:
        super().complete()
        self._event.set()

    async def wait(self) -> None:
        """Until all have come."""
        await self._event.wait()
        self._event.clear()
