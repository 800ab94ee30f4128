"""N5: a cancellation meets an operation that has just been completed, and is never heard of again.

A granted operation returns normally, also if a cancellation comes before its task runs: that is raised at the next
cancel point inside the cancelled scope. If the scope ends with the operation, there is none, and the loop around it
goes on for ever. Seen in asyncio.wait_for (gh-86296), which returned the result and dropped the cancellation.
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.channels import Receiver, mpsc
from tests.zoo.case import Case, Scenario


class Collector:
    """Collects what comes, until it is stopped."""

    def __init__(self, receiver: Receiver[str]) -> None:
        self.items: list[str] = []
        self._receiver = receiver
        self._scope = conc.CancelScope()

    async def run(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._scope.cancel()


class Broken(Collector):
    """A scope for each item: a stop that comes together with an item cancels nothing."""

    async def run(self) -> None:
        while True:
            with conc.CancelScope() as self._scope:
                self.items.append(await self._receiver.receive())
            if self._scope.cancelled_caught:
                return


class Right(Collector):
    """One scope around all: the stop is raised when the next item is waited for."""

    async def run(self) -> None:
        with self._scope:
            while True:
                self.items.append(await self._receiver.receive())


def program(make: Callable[[Receiver[str]], Collector]) -> Scenario:
    """An item comes a moment before the stop."""

    async def main() -> None:
        sender, receiver = mpsc[str](4)
        collector = make(receiver)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(collector.run, name="collector")
            await conc.sleep(0.9)
            sender.send_nowait("an item")
            await conc.sleep(0.1)
            collector.stop()
        sender.close()
        receiver.close()

    return main


CASE = Case(
    name="N5",
    title="a cancellation that comes together with a result is swallowed",
    broken=program(Broken),
    right=program(Right),
    fails_with=conc.Deadlock,
    time="racing",  # the item is collected in 0.1 s unless the machine is slow
)
