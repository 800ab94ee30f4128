"""N23: one of many who are to be told fails, and those after it are told nothing.

A loop over callbacks, wakers or subscribers runs code of others, and one of them may raise. An error that ends the loop
turns one failure into many, and who was to be woken waits for ever. Seen in tokio (loom_atomic_waker's
test_panicky_waker, send_in_waker_drop).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.channels import Receiver, Sender, mpsc
from conc.errors import ChannelClosed
from tests.zoo.case import Case, Scenario, do


class Topic:
    """Whatever is published goes to all subscribers; those who have left are no concern of the publisher."""

    def __init__(self) -> None:
        self._subscribers: list[Sender[str]] = []

    def subscribe(self) -> Receiver[str]:
        sender, receiver = mpsc[str](1)
        self._subscribers.append(sender)
        return receiver

    def publish(self, item: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        for subscriber in self._subscribers:
            subscriber.close()


class Broken(Topic):
    """An error ends the loop."""

    def publish(self, item: str) -> None:
        try:
            for subscriber in self._subscribers:
                subscriber.send_nowait(item)
        except ChannelClosed:
            pass


class Right(Topic):
    """An error ends one turn of the loop."""

    def publish(self, item: str) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber.send_nowait(item)
            except ChannelClosed:
                pass


def program(make: Callable[[], Topic]) -> Scenario:
    """One subscriber leaves at about the time of a publication, the other waits for it."""

    async def main() -> None:
        topic = make()
        leaver, listener = topic.subscribe(), topic.subscribe()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(do, topic.publish, "the news", name="publisher")
            nursery.start_soon(do, leaver.close, name="leaver")
            nursery.start_soon(listener.receive, name="listener")
        topic.close()
        listener.close()

    return main


CASE = Case(
    name="N23",
    title="a subscriber that has left keeps the news from all after it",
    broken=program(Broken),
    right=program(Right),
    fails_with=conc.Deadlock,
)
