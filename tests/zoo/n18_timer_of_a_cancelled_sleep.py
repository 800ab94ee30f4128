"""N18: a sleep is cancelled, its timer goes off all the same, and hits whoever is next.

One timer serves many sleeps: it is set for the earliest. When that one is cancelled the timer stays, which is fine;
but then "the timer went off" does not mean "the first in the list is due". Seen in tonio (gi0baro/tonio#35), where the
timer that a cancelled scope had left behind ended in a hang.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import conc
from conc.lowlevel import Task, current_task, park, unpark
from conc.sync import Notify
from tests.zoo.case import Case, Scenario, do


class Sleep:
    """A task that sleeps until `deadline`."""

    reason = "Alarms.sleep"

    def __init__(self, deadline: float, alarms: Alarms) -> None:
        self.deadline = deadline
        self.task = current_task()
        self._alarms = alarms

    def begin(self, task: Task[Any]) -> None:
        """The task sleeps from here on."""
        pending = self._alarms.pending
        pending.append(self)
        pending.sort(key=attrgetter("deadline"))
        if pending[0] is self:
            self._alarms.changed.notify_one()

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled."""
        self._alarms.pending.remove(self)
        return True


class Alarms:
    """Wakes many sleepers with one timer, that of `serve`."""

    def __init__(self) -> None:
        self.pending: list[Sleep] = []  # by deadline
        self.changed = Notify()

    async def sleep(self, seconds: float) -> None:
        sleep = Sleep(conc.current_time() + seconds, self)
        await park(sleep, sleep.begin)

    async def serve(self) -> None:
        while True:
            if not self.pending:
                await self.changed.notified()
                continue
            with conc.move_on_at(self.pending[0].deadline) as timer:
                await self.changed.notified()
            if timer.cancelled_caught:
                self._wake()

    def _wake(self) -> None:
        """The timer went off."""
        raise NotImplementedError


class Broken(Alarms):
    """Wakes the first: the timer was set for it, or for one who was cancelled since."""

    def _wake(self) -> None:
        unpark(self.pending.pop(0).task)


class Right(Alarms):
    """Wakes those who are due."""

    def _wake(self) -> None:
        while self.pending and self.pending[0].deadline <= conc.current_time():
            unpark(self.pending.pop(0).task)


def program(make: Callable[[], Alarms]) -> Scenario:
    """Two sleep, of whom the one with the earlier deadline is cancelled."""

    async def main() -> None:
        alarms = make()
        woke = 0.0

        async def sleep_for_two_seconds() -> None:
            nonlocal woke
            await alarms.sleep(2)
            woke = conc.current_time()

        async with conc.open_nursery() as service:
            service.start_soon(alarms.serve, name="service")
            async with conc.open_nursery() as nursery:
                short = nursery.start_soon(alarms.sleep, 1, name="short")
                nursery.start_soon(sleep_for_two_seconds, name="long")
                nursery.start_soon(do, short.cancel, name="canceller")
            service.cancel_scope.cancel()
        assert woke >= 2, f"it slept for {woke} s in place of 2"

    return main


CASE = Case(
    name="N18",
    title="the timer of a cancelled sleep wakes another sleeper",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
