"""A number of permits, and the line of tasks that wait for some."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

from conc._kernel.current import charge, slot
from conc._kernel.operation import LATER, QueueOperation, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, READY, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.errors import ClosedResource, WouldBlock

ONE: Final = 1  # asked for by identity: 1.0 and True are equal to it, and no number of permits


class SemaphoreStatistics(NamedTuple):
    """A `Semaphore` at one moment."""

    free: int
    """Permits that nobody holds."""
    max_value: int | None
    """How many there may be."""
    tasks_waiting: int
    """How many wait in `Semaphore.acquire`."""
    closed: bool
    """Whether it is closed."""


class Semaphore:
    """`value` permits to hand out: ``async with semaphore:`` holds one, ``async with semaphore.permits(3):`` three.

    May be used from any strand; `acquire_nowait`, `acquire_blocking`, `release`, `forget` and `close` from any thread.

    Args:
        value: how many permits there are at first, at least 0.
        max_value: how many there may ever be at a time; more is an error of whoever releases. None: no limit.

    Raises:
        ValueError, TypeError: a bad argument, which is named.

    Invariant: `_free` >= 0, and nobody waits whom the free permits would suffice and who is first in line.
    Order: first come, first served; a newcomer never overtakes the line, nor a small request a large one.
    """

    __slots__ = ("_closed", "_free", "_max", "_waiters")

    def __init__(self, value: int, *, max_value: int | None = None) -> None:
        check_count(value, "value", 0)
        if max_value is not None:
            check_count(max_value, "max_value", 1)
            if value > max_value:
                raise ValueError(f"value must be at most max_value ({max_value}), not {value}")
        self._free = value
        self._max = max_value
        self._closed = False
        self._waiters = WaitQueue("Semaphore.acquire", self._serve)

    @property
    def value(self) -> int:
        """How many permits are free at the moment."""
        return self._free

    @property
    def max_value(self) -> int | None:
        """How many there may be at a time; None for no limit."""
        return self._max

    def acquire_nowait(self, n: int = 1) -> None:
        """Take `n` permits if they are free and nobody waits. From any thread.

        Raises:
            WouldBlock: they are not free, or others wait for theirs.
            ClosedResource: the semaphore is closed.

        Checkpoint: never.
        """
        perform_nowait(self.acquiring(n))

    async def acquire(self, n: int = 1) -> None:
        """Take `n` permits, waiting in line for them.

        Args:
            n: how many, at least 1. It takes none until it takes all.

        Raises:
            ClosedResource: the semaphore is closed, or was closed meanwhile.
            ValueError: `n` is less than 1, or more than `max_value`.

        Checkpoint: always a cancel point; it waits only if the permits are not free.
        If cancelled: no permit is held and the place in line is given up; those behind are served if they can be.
        """
        if n is not ONE:
            self._check_reachable(n)
        task = charge() or await toll()
        waiters = self._waiters
        waiters.lock.acquire()
        if self._closed:
            waiters.lock.release()
            del task  # the error holds this frame, and may become that of the task
            raise ClosedResource(f"{self!r} is closed")
        if self._free >= n and not waiters.line:
            self._free -= n
            waiters.lock.release()
            return
        # The wait is written out: what `perform` does for all operations would take twice as long.
        waiters.enlist(task, n)
        waiters.lock.release()
        try:
            await PARK  # release() wakes us with the permits already ours
        except BaseException:
            if task.wait is GRANTED:  # no cancellation, then: the run is stopped by force
                task.wait = None
                _Acquire(self, n).give_back(task.value)
            raise
        task.wait = None
        granted, task.value = task.value, None
        if not granted:
            del task
            raise ClosedResource(f"{self!r} was closed")

    def acquire_blocking(self, n: int = 1, timeout: float | None = None) -> None:
        """As `acquire`, for a thread outside.

        Args:
            n: how many, at least 1.
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: they were not free in time; none is held.
            ClosedResource, ValueError: as `acquire`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(self.acquiring(n), timeout, "Semaphore.acquire")

    def acquiring(self, n: int = 1) -> QueueOperation[None]:
        """`acquire`, for `conc.select`."""
        if n is not ONE:
            self._check_reachable(n)
        return _Acquire(self, n)

    def release(self, n: int = 1) -> None:
        """Give `n` permits back, to the first in line if anyone waits. From any thread.

        Raises:
            ValueError: there would be more than `max_value`; or `n` is less than 1.

        Checkpoint: never.
        Cost: O(1) for each task that is served.
        """
        if n is not ONE:
            check_count(n, "n", 1)
        waiters = self._waiters
        waiters.lock.acquire()
        if self._max is not None and self._free + n > self._max:
            waiters.lock.release()
            raise ValueError(f"{n} permit(s) released into {self!r}: more than were taken")
        if not waiters.line:
            self._free += n
            waiters.lock.release()
            return
        # Handed over, not put back for all: a free permit could go to a newcomer before the woken task runs.
        if n == 1 and not self._free and (waiter := waiters.grant_like(1, True)) is not None:
            waiters.lock.release()
            waiter.resume()
            return
        self._free += n
        served = self._serve()
        waiters.lock.release()
        resume_all(served)

    def forget(self, n: int) -> int:
        """Destroy up to `n` free permits; returns how many. From any thread. Checkpoint: never."""
        check_count(n, "n", 0)
        waiters = self._waiters
        waiters.lock.acquire()
        gone = min(n, self._free)
        self._free -= gone
        waiters.lock.release()
        return gone

    def close(self) -> None:
        """Let everybody who waits or comes later fail with ClosedResource. Permits may still be released. Idempotent.

        From any thread. Checkpoint: never.
        """
        waiters = self._waiters
        waiters.lock.acquire()
        self._closed = True
        refused = waiters.grant_all(False)
        waiters.lock.release()
        resume_all(refused)

    def permits(self, n: int) -> Permits:
        """``async with semaphore.permits(n):`` holds `n` permits inside the block."""
        self._check_reachable(n)
        return Permits(self, n)

    def __aenter__(self) -> Awaitable[None]:
        # No coroutine: the interpreter awaits what is returned at once, and usually there is nothing to wait for.
        worker = slot.worker
        if self._free and worker is not None and worker.budget > 0 and not worker.task.scope.cancelled:  # type: ignore[union-attr]
            waiters = self._waiters
            waiters.lock.acquire()
            if self._free and not waiters.line and not self._closed:
                self._free -= 1
                waiters.lock.release()
                worker.budget -= 1
                return READY
            waiters.lock.release()
        return self.acquire()

    def __aexit__(self, kind: object, error: object, traceback: object) -> Awaitable[None]:
        if self._max is not None:
            self.release()
            return READY
        waiters = self._waiters  # as `release` does, in place
        waiters.lock.acquire()
        if not waiters.line:
            self._free += 1
            waiters.lock.release()
        elif not self._free and (waiter := waiters.grant_like(1, True)) is not None:
            waiters.lock.release()
            waiter.resume()
        else:
            waiters.lock.release()
            self.release()
        return READY

    def statistics(self) -> SemaphoreStatistics:
        """How it stands at this moment."""
        return SemaphoreStatistics(self._free, self._max, len(self._waiters), self._closed)

    def _serve(self) -> list[Waiter]:
        """Grant to the first in line as long as the free permits suffice. Under the lock."""
        waiters = self._waiters
        served = []
        while self._free and (head := waiters.head()) is not None and (n := head.value) <= self._free:
            if waiters.take(head, True):
                self._free -= n
                served.append(head)
        return served

    def _check_reachable(self, n: int) -> None:
        check_count(n, "n", 1)
        if self._max is not None and n > self._max:
            raise ValueError(f"n must be at most max_value ({self._max}), not {n}: this could never succeed")

    def __repr__(self) -> str:
        closed = ", closed" if self._closed else ""
        return f"<Semaphore {self._free} free, {len(self._waiters)} waiting{closed}>"

    def _check(self) -> None:
        self._waiters._check()
        assert self._free >= 0, "less than no permit"
        head = self._waiters.head()
        if head is not None and not self._waiters._passed:  # else a select will serve when it has left
            assert head.value > self._free, "the first in line waits beside enough permits"
        assert not (self._closed and len(self._waiters)), "somebody waits for a closed semaphore"


class _Acquire(QueueOperation[None]):
    __slots__ = ("_semaphore",)

    def __init__(self, semaphore: Semaphore, n: int) -> None:
        super().__init__(semaphore._waiters, n)
        self._semaphore = semaphore

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        semaphore = self._semaphore
        if semaphore._closed:
            return False
        if semaphore._free < self.request or self.queue.head() is not None:
            return LATER
        semaphore._free -= self.request
        return True

    def finish(self, granted: Any) -> None:
        if not granted:
            raise ClosedResource(f"{self._semaphore!r} is closed")

    def give_back(self, granted: Any) -> None:
        if granted:
            self._semaphore.release(self.request)

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"{self.request} permit(s) wanted from {self._semaphore!r}")


class Permits:
    """The block that holds some permits of a semaphore."""

    __slots__ = ("_n", "_semaphore")

    def __init__(self, semaphore: Semaphore, n: int) -> None:
        self._semaphore = semaphore
        self._n = n

    async def __aenter__(self) -> None:
        await self._semaphore.acquire(self._n)

    async def __aexit__(self, *error: object) -> None:
        self._semaphore.release(self._n)


def check_count(value: int, name: str, least: int) -> None:
    """Raise an error that names the argument unless `value` is a whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
