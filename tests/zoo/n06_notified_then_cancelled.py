"""N6: a task is notified of a condition, is cancelled before it has the mutex again, and the notification is lost.

A notification is meant for one who acts on it. Who was notified and then leaves because it is cancelled does not, so it
has to notify the next in its place. Seen in asyncio.Condition (gh-112202, python/asyncio#346) and AnyIO
(agronholm/anyio#1075).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.lowlevel import checkpoint_if_cancelled
from conc.sync import Mutex
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Ledger, Line


class Condition:
    """To be waited for with the mutex held, which is held again afterwards, also by who was cancelled."""

    def __init__(self) -> None:
        self.mutex = Mutex()
        self.ledger = Ledger("Condition")
        self._line = Line("Condition.wait")

    async def wait(self) -> None:
        with self.ledger.wait():
            self.mutex.release()
            try:
                await self._line.wait()
            finally:
                with conc.CancelScope(shield=True):
                    await self.mutex.acquire()
            await self._look_for_cancellation()

    def notify(self) -> None:
        notified = self._line.let_go()
        if notified is not None:
            self.ledger.hand(notified, "a notification")

    async def _look_for_cancellation(self) -> None:
        """A task that was notified and cancelled has the mutex again."""
        raise NotImplementedError


class Broken(Condition):
    """Leaves, and takes the notification with it."""

    async def _look_for_cancellation(self) -> None:
        await checkpoint_if_cancelled()


class Right(Condition):
    """Passes the notification on before it leaves."""

    async def _look_for_cancellation(self) -> None:
        try:
            await checkpoint_if_cancelled()
        except conc.Cancelled:
            self.ledger.give_back()
            self.notify()
            raise


def program(make: Callable[[], Condition]) -> Scenario:
    """Two tasks wait for one item; whoever is not cancelled gets it."""

    async def main() -> None:
        condition = make()
        watch(condition.ledger)
        items: list[str] = []
        taken: list[str] = []

        async def take() -> None:
            with conc.move_on_after(1):  # only one of them can have it
                async with condition.mutex:
                    while not items:
                        await condition.wait()
                    taken.append(items.pop())

        async def put() -> None:
            async with condition.mutex:
                items.append("an item")
                condition.notify()

        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(take, name="first")
            nursery.start_soon(take, name="second")
            nursery.start_soon(do, first.cancel, name="canceller")
            nursery.start_soon(put)
        assert taken == ["an item"]

    return main


CASE = Case(
    name="N6",
    title="a task that was notified and then cancelled takes the notification with it",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
)
