"""A flag that is set once and wakes all who wait for it."""

from __future__ import annotations

from conc._kernel.current import charge
from conc._kernel.suspend import PARK, resume, toll
from conc._kernel.waitqueue import WaitQueue


class Event:
    """Something that has happened, or has not yet. It cannot be taken back: make a new one.

    May be used from any strand; `set` and `is_set` from any thread.

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
        for task in woken:
            resume(task)

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

    def __bool__(self) -> bool:
        raise TypeError("an Event has no truth value; did you mean event.is_set()?")

    def __repr__(self) -> str:
        return f"<Event {'set' if self._set else f'not set, {len(self._waiters)} waiting'}>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self._set and len(self._waiters)), "somebody waits for an event that is set"
