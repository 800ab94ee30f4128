"""N4: a receiver was handed an item at the moment in which something else made it stop, and the item is lost.

Two coroutines run at once, one of which takes something; the other one ends first, and so does the wait. The first is
cancelled, but it has its item already, and its value goes nowhere. Seen with asyncio.wait and wait_for around Queue.get
(python/asyncio#201, #343, bpo-23812), in Tornado (tornadoweb/tornado#2826) and websockets (#486).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.channels import mpsc
from conc.sync import Event
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario, do


class Inbox:
    """Letters, until somebody says stop."""

    def __init__(self) -> None:
        self.sender, self.receiver = mpsc[str](4)
        self.stopped = Event()
        self._taken = self._returned = self._waiting = 0

    async def next(self) -> str | None:
        """The next letter; None once `stopped` is set."""
        self._waiting += 1
        try:
            letter = await self._next()
            self._returned += letter is not None
        finally:
            self._waiting -= 1
        return letter

    async def _next(self) -> str | None:
        raise NotImplementedError

    async def _receive(self) -> str:
        letter = await self.receiver.receive()
        self._taken += 1
        return letter

    def audit(self) -> str | None:
        """A letter that was taken out of the channel and returned by nobody."""
        lost = self._taken - self._returned
        return f"{lost} letter(s) were received and never returned" if lost and not self._waiting else None


class Broken(Inbox):
    """Of two coroutines that race, both may have happened."""

    async def _next(self) -> str | None:
        return await conc.race(self._receive(), self.stopped.wait())


class Right(Inbox):
    """Of two operations that are selected from, exactly one happens."""

    async def _next(self) -> str | None:
        index, letter = await conc.select(self.receiver.receiving(), self.stopped.waiting())
        self._taken += index == 0
        return letter if index == 0 else None


def program(make: Callable[[], Inbox]) -> Scenario:
    """A letter comes at about the time of the stop: it is read, or it is left in the box."""

    async def main() -> None:
        inbox = make()
        watch(inbox)

        async def reader() -> None:
            while await inbox.next() is not None:
                pass

        async with conc.open_nursery() as nursery:
            nursery.start_soon(reader)
            nursery.start_soon(do, inbox.sender.send_nowait, "a letter", name="sender")
            nursery.start_soon(do, inbox.stopped.set, name="stopper")
        inbox.sender.close()
        inbox.receiver.close()

    return main


CASE = Case(
    name="N4",
    title="an item is lost because its receiver was told to stop at the same moment",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
)
