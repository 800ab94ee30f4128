"""A flag that is set once and wakes all who wait for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform_blocking
from conc._kernel.suspend import PARK, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all


class EventStatistics(NamedTuple):
    """An `Event` at one moment."""

    tasks_waiting: int
    """How many wait in `Event.wait`."""


class Event:
    """Something that has happened, or has not yet. It cannot be taken back: make a new one.

    May be used from any strand; `set`, `is_set` and `wait_blocking` from any thread.

    Invariant: nobody waits for an event that is set.
    """

    __slots__ = ("_set", "_waiters")

    def __init__(self) -> None:
        self._set = False
        self._waiters = WaitQueue("Event.wait")

    def is_set(self) -> bool:
        """Whether `set` was called. Checkpoint: never."""
        return self._set

    def set(self) -> None:
        """Let everybody who waits go on, and whoever comes later pass. Idempotent. From any thread.

        Checkpoint: never.
        Cost: O(waiters).
        """
        waiters = self._waiters
        waiters.lock.acquire()
        self._set = True
        woken = waiters.grant_all()
        waiters.lock.release()
        resume_all(woken)

    async def wait(self) -> None:
        """Wait until the event is set.

        Checkpoint: always a cancel point; it waits only if the event is not set.
        If cancelled: nothing happened.
        """
        task = charge() or await toll()
        if self._set:
            return
        waiters = self._waiters
        waiters.lock.acquire()
        if self._set:
            waiters.lock.release()
            return
        waiters.enlist(task)
        waiters.lock.release()
        await PARK
        task.wait = None

    def wait_blocking(self, timeout: float | None = None) -> None:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not set in time.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Wait(self), timeout, "Event.wait")

    def waiting(self) -> QueueOperation[None]:
        """`wait`, for `conc.select`."""
        return _Wait(self)

    def statistics(self) -> EventStatistics:
        """How many wait, at this moment."""
        return EventStatistics(len(self._waiters))

    def __bool__(self) -> bool:
        raise TypeError("an Event has no truth value; did you mean event.is_set()?")

    def __repr__(self) -> str:
        return f"<Event {'set' if self._set else f'not set, {len(self._waiters)} waiting'}>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self._set and len(self._waiters)), "somebody waits for an event that is set"


class _Wait(QueueOperation[None]):
    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        super().__init__(event._waiters)
        self._event = event

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return None if self._event._set else LATER
