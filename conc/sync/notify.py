"""A signal that something has happened: to one of those who wait for it, or to all."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.errors import WouldBlock

ONE: Final = Marker("ONE")  # what a waiter is granted tells who woke it
LAST: Final = Marker("LAST")
ALL: Final = Marker("ALL")


class NotifyStatistics(NamedTuple):
    """A `Notify` at one moment."""

    tasks_waiting: int
    """How many wait in `Notify.notified`."""
    permit_stored: bool
    """Whether the next who comes need not wait."""
    epoch: int
    """How often `Notify.notify_waiters` was called."""


class Notify:
    """A signal without a value: `notify_one` wakes one of those who wait in `notified`, `notify_waiters` all of them.

    If nobody waits, `notify_one` stores a permit, and who comes next takes it and passes; there is at most one. So who
    looks whether there is work, finds none and waits misses nothing that happened in between. What `notify_waiters`
    tells is not stored: who must not miss it reads `epoch` before it looks, and gives it to `notified`.

    May be used from any strand; `notify_one`, `notify_last`, `notify_waiters` and `notified_blocking` from any thread.

    Invariant: nobody waits while a permit is stored.
    Order: who waits longest is woken first; `notify_last` wakes who came last.
    """

    __slots__ = ("_epoch", "_stored", "_waiters")

    def __init__(self) -> None:
        self._stored = False
        self._epoch = 0
        self._waiters = WaitQueue("Notify.notified")

    @property
    def epoch(self) -> int:
        """How often `notify_waiters` was called: to be given to `notified`, which then misses no call from here on."""
        return self._epoch

    def notify_one(self) -> None:
        """Wake who has waited longest; if nobody waits, store a permit for who comes next. From any thread.

        Checkpoint: never.
        """
        waiters = self._waiters
        waiters.lock.acquire()
        woken = waiters.grant(ONE)
        if woken is None:
            self._stored = True
        waiters.lock.release()
        if woken is not None:
            woken.resume()

    def notify_last(self) -> None:
        """As `notify_one`, but wake who came last: it has most in its caches. From any thread.

        Checkpoint: never.
        """
        waiters = self._waiters
        waiters.lock.acquire()
        woken = waiters.grant_last(LAST)
        if woken is None:
            self._stored = True
        waiters.lock.release()
        if woken is not None:
            woken.resume()

    def notify_waiters(self) -> None:
        """Wake all who wait at this moment. A stored permit stays, and none is stored. From any thread.

        Checkpoint: never.
        Cost: O(waiters).
        """
        waiters = self._waiters
        waiters.lock.acquire()
        self._epoch += 1
        woken = waiters.grant_all(ALL)
        waiters.lock.release()
        resume_all(woken)

    async def notified(self, *, since: int | None = None) -> None:
        """Wait to be woken, or take the permit that is stored.

        Args:
            since: the `epoch` at an earlier moment: if `notify_waiters` was called after it, this returns at once, and
                leaves a permit to others.

        Raises:
            ValueError, TypeError: `since` is no `epoch` of this object.

        Checkpoint: always a cancel point; it waits only if there is no permit, and nothing happened since.
        If cancelled: nothing was taken, and the place in line is given up.
        """
        if since is not None:
            self._check_epoch(since)
        task = charge() or await toll()
        waiters = self._waiters
        waiters.lock.acquire()
        if (self._stored or since is not None) and self._take(since) is not LATER:
            waiters.lock.release()
            return
        task.value = None  # as `enlist` does, in place
        task.wait = waiters
        waiters.line.append(task)
        waiters.lock.release()
        try:
            await PARK
        except BaseException:
            if task.wait is GRANTED:  # no cancellation, then: the run is stopped by force, and nobody will learn of it
                task.wait = None
                self._pass_on(task.value)
            raise
        task.wait = task.value = None

    def notified_nowait(self, *, since: int | None = None) -> None:
        """As `notified`, if that need not wait: take the permit that is stored. From any thread.

        Raises:
            WouldBlock: there is none, and nothing happened since.
            ValueError, TypeError: as `notified`.

        Checkpoint: never.
        """
        perform_nowait(self.waiting(since=since))

    def notified_blocking(self, timeout: float | None = None, *, since: int | None = None) -> None:
        """As `notified`, for a thread outside. If it is interrupted after it was woken, another one is woken for it.

        Args:
            timeout: seconds of real time; None is for ever.
            since: as for `notified`.

        Raises:
            TimeoutError: it was not woken in time.
            ValueError, TypeError: as `notified`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(self.waiting(since=since), timeout, "Notify.notified")

    def waiting(self, *, since: int | None = None) -> QueueOperation[None]:
        """`notified`, for `conc.select`."""
        if since is not None:
            self._check_epoch(since)
        return _Notified(self, since)

    def statistics(self) -> NotifyStatistics:
        """How it stands at this moment."""
        return NotifyStatistics(len(self._waiters), self._stored, self._epoch)

    def _take(self, since: int | None) -> Marker:
        """What somebody who comes now is granted; LATER if that is nothing. Under the lock."""
        if since is not None and since != self._epoch:
            return ALL  # looked at first: who was told together with all others leaves the permit to one of them
        if self._stored:
            self._stored = False
            return ONE
        return LATER

    def _pass_on(self, granted: Marker) -> None:
        """Who was granted this will not learn of it."""
        if granted is ONE:
            self.notify_one()
        elif granted is LAST:
            self.notify_last()

    def _check_epoch(self, since: int) -> None:
        if isinstance(since, bool) or not isinstance(since, int):
            raise TypeError(f"since must be the epoch at an earlier moment, not {since!r}")
        if not 0 <= since <= self._epoch:
            raise ValueError(f"since must be an epoch of this Notify, from 0 to {self._epoch} so far, not {since}")

    def __bool__(self) -> bool:
        raise TypeError("a Notify has no truth value; to take a stored permit there is notified_nowait()")

    def __repr__(self) -> str:
        return f"<Notify {'permit stored' if self._stored else f'{len(self._waiters)} waiting'}>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self._stored and self._waiters.head()), "somebody waits while a permit is stored"


class _Notified(QueueOperation[None]):
    __slots__ = ("_notify", "_since")

    def __init__(self, notify: Notify, since: int | None) -> None:
        super().__init__(notify._waiters)
        self._notify = notify
        self._since = since

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._notify._take(self._since)

    def finish(self, granted: Any) -> None:
        """There is nothing to hand over."""

    def give_back(self, granted: Any) -> None:
        self._notify._pass_on(granted)

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"{self._notify!r} has no permit stored")
