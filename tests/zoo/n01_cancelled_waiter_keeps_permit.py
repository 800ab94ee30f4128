"""N1: a waiter is granted a permit, is cancelled before it runs, and takes the permit with it.

"Every async function is a checkpoint", so `acquire` passes one at its end; but that one is a cancel point too, and it
comes after the permit has changed hands. Who is cancelled there leaves without a permit to release, and the permit
belongs to nobody. Seen in asyncio (python/asyncio#270, bpo-27585), AnyIO (agronholm/anyio#387, #388, #947) and the
semaphore of shuttle (awslabs/shuttle#167).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.lowlevel import cancel_shielded_checkpoint, current_task
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario, do
from tests.zoo.line import Ledger, Line


class Semaphore:
    """Permits, first come first served."""

    def __init__(self) -> None:
        self.free = 0
        self.ledger = Ledger("Semaphore")
        self._line = Line("Semaphore.acquire", lambda: self.free > 0)

    async def acquire(self) -> None:
        with self.ledger.wait():
            if self.free:
                self.free -= 1
                self.ledger.hand(current_task(), "a permit")
            else:
                await self._line.wait()
            await self._let_others_run()

    def release(self) -> None:
        granted = self._line.let_go()
        if granted is None:
            self.free += 1
        else:
            self.ledger.hand(granted, "a permit")

    async def _let_others_run(self) -> None:
        raise NotImplementedError


class Broken(Semaphore):
    """Cancelled here, it keeps the permit."""

    async def _let_others_run(self) -> None:
        await conc.checkpoint()


class Right(Semaphore):
    """Who has a permit is not cancelled: that is left to the next cancel point."""

    async def _let_others_run(self) -> None:
        await cancel_shielded_checkpoint()


def program(make: Callable[[], Semaphore]) -> Scenario:
    """One permit for two tasks, of which one may be cancelled."""

    async def main() -> None:
        semaphore = make()
        watch(semaphore.ledger)

        async def use() -> None:
            await semaphore.acquire()
            semaphore.release()

        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(use, name="first")
            nursery.start_soon(use, name="second")
            nursery.start_soon(do, first.cancel, name="canceller")
            nursery.start_soon(do, semaphore.release, name="releaser")

    return main


CASE = Case(
    name="N1",
    title="a cancelled waiter keeps the permit that it was just granted",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
)
