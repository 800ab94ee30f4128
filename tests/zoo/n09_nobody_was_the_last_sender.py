"""N9: two senders close at the same time, neither is the last, and the receiver never hears of the end.

The last one to leave closes the channel. Whether one is the last has to be decided together with leaving: who looks
first, and then waits for the mutex, decides on an old number. With a clone in between, the same mistake closes a
channel that somebody still sends to. Seen in tokio's mpsc (its loom tests dropping_tx and len_nonzero_after_send).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import conc
from conc.errors import EndOfChannel
from conc.sync import Mutex
from conc_testing import LostWakeup
from tests.zoo.case import Case, Scenario
from tests.zoo.line import Line


class Channel:
    """Items of several senders, each of whom leaves with `aclose`."""

    def __init__(self, senders: int) -> None:
        self._senders = senders
        self._closed = False
        self._items: deque[int] = deque()
        self._mutex = Mutex()  # of who leaves
        self._line = Line("Channel.receive", lambda: bool(self._items) or self._senders == 0)

    def send(self, item: int) -> None:
        self._items.append(item)
        self._line.let_go()

    async def aclose(self) -> None:
        raise NotImplementedError

    async def receive(self) -> int:
        while not self._items:
            if self._closed:
                raise EndOfChannel
            await self._line.wait()
        return self._items.popleft()

    def _close(self) -> None:
        self._closed = True
        self._line.let_all_go()


class Broken(Channel):
    """Looks, waits for the mutex, and acts on what it saw."""

    async def aclose(self) -> None:
        is_last = self._senders == 1
        async with self._mutex:
            self._senders -= 1
            if is_last:
                self._close()


class Right(Channel):
    """Looks and acts with the mutex held."""

    async def aclose(self) -> None:
        async with self._mutex:
            self._senders -= 1
            if self._senders == 0:
                self._close()


def program(make: Callable[[int], Channel]) -> Scenario:
    """Two senders and a receiver, who reads to the end."""

    async def main() -> None:
        channel = make(2)
        received: list[int] = []

        async def sender(item: int) -> None:
            channel.send(item)
            await channel.aclose()

        async def receiver() -> None:
            try:
                while True:
                    received.append(await channel.receive())
            except EndOfChannel:
                pass

        async with conc.open_nursery() as nursery:
            nursery.start_soon(sender, 1, name="first")
            nursery.start_soon(sender, 2, name="second")
            nursery.start_soon(receiver)
        assert sorted(received) == [1, 2]

    return main


CASE = Case(
    name="N9",
    title="two senders close at once, and neither closes the channel",
    broken=program(Broken),
    right=program(Right),
    fails_with=LostWakeup,
)
