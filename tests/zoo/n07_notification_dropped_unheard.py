"""N7: a listener that was notified goes away without having listened, and the notification goes with it.

Who registers first and waits afterwards misses nothing in between; but then it can be notified before it waits, and
leave without waiting. A notification for one has to reach the next one then; one for all is for those who were there,
and must not be kept. Seen in tokio's Notify (its loom tests notify_drop, waiters_and_one and waiters_is_atomic).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import conc
from conc.sync import Event
from tests.zoo.case import Case, Scenario, do


class Notify:
    """A signal for one or for all who listen; one for one is stored if nobody does."""

    def __init__(self) -> None:
        self.stored = False
        self.listeners: deque[Listener] = deque()

    def notify_one(self) -> None:
        if self.listeners:
            self.listeners.popleft().hear("one")
        else:
            self.stored = True

    def notify_all(self) -> None:
        while self.listeners:
            self.listeners.popleft().hear("all")


class Listener:
    """``with Listener(notify) as listener:`` misses nothing from here on; ``await listener.wait()`` listens."""

    def __init__(self, notify: Notify) -> None:
        self.heard: str | None = None
        self.listened = False
        self._notify = notify
        self._event = Event()

    def __enter__(self) -> Listener:
        self._notify.listeners.append(self)
        if self._notify.stored:
            self._notify.stored = False
            self._notify.notify_one()
        return self

    async def wait(self) -> None:
        await self._event.wait()
        self.listened = True

    def hear(self, what: str) -> None:
        self.heard = what
        self._event.set()

    def __exit__(self, *error: object) -> None:
        if self in self._notify.listeners:
            self._notify.listeners.remove(self)
        elif not self.listened:
            self._leave_unheard()

    def _leave_unheard(self) -> None:
        """It was notified, and nobody has listened."""
        raise NotImplementedError


class Broken(Listener):
    """Has taken itself off the list, and thinks that this is all."""

    def _leave_unheard(self) -> None:
        pass


class Right(Listener):
    """What was meant for one goes to the next."""

    def _leave_unheard(self) -> None:
        if self.heard == "one":
            self._notify.notify_one()


def program(listen: Callable[[Notify], Listener]) -> Scenario:
    """A listener that may be cancelled, and a notification of each kind: that for one is heard, or stored."""

    async def main() -> None:
        notify = Notify()
        heard: list[str | None] = []

        async def listener() -> None:
            with listen(notify) as ear:
                await ear.wait()
                heard.append(ear.heard)

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(listener)
            nursery.start_soon(do, notify.notify_one, name="one")
            nursery.start_soon(do, task.cancel, name="canceller")
            nursery.start_soon(do, notify.notify_all, name="all")
        assert heard.count("one") + notify.stored == 1

    return main


CASE = Case(
    name="N7",
    title="a listener that leaves unheard drops its notification",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
