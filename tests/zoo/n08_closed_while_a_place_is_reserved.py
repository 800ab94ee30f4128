"""N8: a channel is closed while a place in it is reserved; the place is given up, and the receivers wait for ever.

A receiver may be told of the end when nothing can come any more: the channel is closed and no place is reserved. Both
`close` and the end of the last reservation have to look whether this is the moment. Seen in tokio's mpsc (its tests
cancelled_reserve_wakes_closed_receiver and dropping_last_permit_wakes_closed_receiver).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import conc
from conc.errors import ClosedResource, EndOfChannel
from conc_testing import LostWakeup
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Line


class Channel:
    """Items, sent to places that were reserved."""

    def __init__(self) -> None:
        self._items: deque[str] = deque()
        self._reserved = 0
        self._closed = False
        self._line = Line("Channel.receive", lambda: bool(self._items) or self._has_ended())

    def reserve(self) -> None:
        """Promise to call `send` or `give_up`."""
        if self._closed:
            raise ClosedResource("the channel is closed")
        self._reserved += 1

    def send(self, item: str) -> None:
        self._reserved -= 1
        self._items.append(item)
        self._line.let_all_go()

    def give_up(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Let nobody reserve a place any more."""
        self._closed = True
        if self._has_ended():
            self._line.let_all_go()

    async def receive(self) -> str:
        while not self._items:
            if self._has_ended():
                raise EndOfChannel
            await self._line.wait()
        return self._items.popleft()

    def _has_ended(self) -> bool:
        return self._closed and self._reserved == 0


class Broken(Channel):
    """Forgets that somebody may wait for this."""

    def give_up(self) -> None:
        self._reserved -= 1


class Right(Channel):
    """Looks whether this was the end, as `close` does."""

    def give_up(self) -> None:
        self._reserved -= 1
        if self._has_ended():
            self._line.let_all_go()


def program(make: Callable[[], Channel]) -> Scenario:
    """Two receive until the end, one closes, one reserves a place and changes its mind."""

    async def main() -> None:
        channel = make()
        ended = 0

        async def sender() -> None:
            try:
                channel.reserve()
            except ClosedResource:
                return
            await conc.checkpoint()
            channel.give_up()

        async def receiver() -> None:
            nonlocal ended
            try:
                await channel.receive()
            except EndOfChannel:
                ended += 1

        async with conc.open_nursery() as nursery:
            nursery.start_soon(receiver, name="first")
            nursery.start_soon(receiver, name="second")
            nursery.start_soon(do, channel.close, name="closer")
            nursery.start_soon(sender)
        assert ended == 2

    return main


CASE = Case(
    name="N8",
    title="the last reservation of a closed channel is given up, and no receiver is told",
    broken=program(Broken),
    right=program(Right),
    fails_with=LostWakeup,
)
