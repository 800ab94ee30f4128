"""N11: a value changes after it was looked at and before the wait for a change has begun, and the change is missed.

"Look, then wait for the next change" has a gap: whoever changes the value in it wakes nobody, because nobody waits yet.
The wait has to say since when. Seen in tokio's watch and Notify (tokio-rs/tokio#3666, #3913, #4006; loom test
wait_for_test).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.sync import Notify
from tests.zoo.case import Case, Scenario, do


class Setting:
    """A value, and a signal that it was changed."""

    def __init__(self) -> None:
        self.value = "old"
        self._changed = Notify()

    def change(self, value: str) -> None:
        self.value = value
        self._changed.notify_waiters()

    async def wait_for(self, value: str) -> None:
        raise NotImplementedError


class Broken(Setting):
    """Waits for the first change after it has begun to wait."""

    async def wait_for(self, value: str) -> None:
        while self.value != value:
            await self._changed.notified()


class Right(Setting):
    """Waits for the first change since it has looked."""

    async def wait_for(self, value: str) -> None:
        while True:
            epoch = self._changed.epoch
            if self.value == value:
                return
            await self._changed.notified(since=epoch)


def program(make: Callable[[], Setting]) -> Scenario:
    """One waits for the value that the other sets."""

    async def main() -> None:
        setting = make()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(setting.wait_for, "new", name="follower")
            nursery.start_soon(do, setting.change, "new", name="changer")
        assert setting.value == "new"

    return main


CASE = Case(
    name="N11",
    title="a value is changed between the look at it and the wait for a change",
    broken=program(Broken),
    right=program(Right),
    fails_with=conc.Deadlock,
)
