"""N10: a receiver of a broadcast is woken for an item, which is overwritten before the receiver runs.

Whether a receiver lags is looked at before it waits. But the wait is the longest time of all: who is woken for item 1
may run when item 5 stands in its place, and take that for item 1. Seen in tokio's broadcast (its tests
lagging_receiver_recovers_after_wrap_closed and lag_again_before_reading).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.errors import EndOfChannel, Lagged
from tests.zoo.case import Case, Scenario
from tests.zoo.line import Line

ITEMS = 5


class Broadcast:
    """The last two items, and one receiver, who may lag behind."""

    def __init__(self) -> None:
        self._ring = [0, 0]
        self._sent = 0  # item n stands in place n % 2 of the ring
        self._next = 0  # for the receiver
        self._closed = False
        self._line = Line("Broadcast.receive", lambda: self._next < self._sent or self._closed)

    def send(self, item: int) -> None:
        self._ring[self._sent % 2] = item
        self._sent += 1
        self._line.let_go()

    def close(self) -> None:
        self._closed = True
        self._line.let_go()

    async def receive(self) -> int:
        raise NotImplementedError

    def _catch_up(self) -> None:
        """Tell the receiver how many items it has missed."""
        missed = self._sent - 2 - self._next
        if missed > 0:
            self._next += missed
            raise Lagged(missed)

    async def _wait_for_more(self) -> None:
        if self._closed:
            raise EndOfChannel
        await self._line.wait()

    def _read(self) -> int:
        self._next += 1
        return self._ring[(self._next - 1) % 2]


class Broken(Broadcast):
    """Looks whether it lags, then waits, then reads."""

    async def receive(self) -> int:
        self._catch_up()
        while self._next == self._sent:
            await self._wait_for_more()
        return self._read()


class Right(Broadcast):
    """Waits, then looks whether it lags, then reads."""

    async def receive(self) -> int:
        while self._next == self._sent:
            await self._wait_for_more()
        self._catch_up()
        return self._read()


def program(make: Callable[[], Broadcast]) -> Scenario:
    """Items 0 to 4: each is received in its place, or counted as missed."""

    async def main() -> None:
        channel = make()

        async def sender() -> None:
            for item in range(ITEMS):
                channel.send(item)
                await conc.checkpoint()
            channel.close()

        received: list[int | None] = []

        async def receiver() -> None:
            while True:
                try:
                    received.append(await channel.receive())
                except Lagged as lag:
                    received.extend([None] * lag.count)
                except EndOfChannel:
                    return

        async with conc.open_nursery() as nursery:
            nursery.start_soon(sender)
            nursery.start_soon(receiver)
        assert all(item in {place, None} for place, item in enumerate(received)), received
        assert len(received) == ITEMS, received

    return main


CASE = Case(
    name="N10",
    title="a receiver that was woken for one item reads the one that has overwritten it",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
