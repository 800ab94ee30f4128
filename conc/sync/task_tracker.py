"""Counting work that is spread over many nurseries, to wait for the end of all of it."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, TypeVarTuple, Unpack

from conc._kernel.asyncfn import as_coroutine, function_name, refuse_what_is_no_function
from conc._kernel.current import charge
from conc._kernel.nursery import Nursery
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking
from conc._kernel.suspend import toll
from conc._kernel.task import Task
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class TaskTrackerStatistics(NamedTuple):
    """A `TaskTracker` at one moment."""

    tracked: int
    """How many tasks and blocks it counts."""
    is_closed: bool
    """Whether it is closed."""
    tasks_waiting: int
    """How many wait in `TaskTracker.wait`."""


class TaskTracker:
    """Counts tasks in whatever nurseries they run, and lets others wait until it is closed and they have all ended.

    A nursery waits for what was started in it; a tracker for what belongs together in another way: all requests, say,
    each in the nursery of its connection. It owns nothing: errors go to the nurseries, and cancelling is theirs.

    May be used from any strand; all but `wait` and `start_soon` from any thread.

    Invariant: nobody waits for a tracker that is closed and empty.
    """

    __slots__ = ("_closed", "_count", "_waiters")

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._waiters = WaitQueue("TaskTracker.wait")

    def start_soon(
        self,
        nursery: Nursery,
        async_fn: Callable[[Unpack[Ts]], Awaitable[T]],
        *args: *Ts,
        name: str | None = None,
    ) -> Task[T]:
        """``nursery.start_soon(async_fn, *args)``, counted from this call until the function has ended.

        Args:
            nursery: where it runs; also a closed tracker starts tasks.
            async_fn: an async function, not a coroutine object.
            args: its arguments.
            name: the name of the task; that of the function unless given.

        Raises:
            RuntimeError, TypeError: as `Nursery.start_soon`.

        Checkpoint: never.
        """
        refuse_what_is_no_function(async_fn)
        token = TrackerToken(self)
        token._entered = True
        if name is None:
            name = function_name(async_fn)
        try:
            return nursery.start_soon(token._begin, async_fn, args, name=name)
        except BaseException:
            token._release()
            raise

    def token(self) -> TrackerToken:
        """Something to be counted from now until its block is left: ``with tracker.token():``. From any thread.

        For work that is no task: hand the token over, and let whoever does the work enter the block.

        Checkpoint: never.
        """
        return TrackerToken(self)

    def close(self) -> None:
        """Let `wait` return when nothing is counted any more. More may still be started. Idempotent. From any thread.

        Checkpoint: never.
        """
        waiters = self._waiters
        with waiters.lock:
            self._closed = True
            woken = self._serve()
        resume_all(woken)

    def reopen(self) -> None:
        """Undo `close`: who waits, waits for the next one. Who was let go before stays so. From any thread.

        Checkpoint: never.
        """
        with self._waiters.lock:
            self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._closed

    async def wait(self) -> None:
        """Wait until the tracker is closed and nothing is counted. It need not stay so: one moment is enough.

        Checkpoint: always a cancel point; it waits unless it is closed and empty now.
        If cancelled: nothing happened. Moments before the next call do not count for that.
        """
        charge() or await toll()
        await perform(_Wait(self))

    def wait_blocking(self, timeout: float | None = None) -> None:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not closed and empty in time.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Wait(self), timeout, "TaskTracker.wait")

    def waiting(self) -> QueueOperation[None]:
        """`wait`, for `conc.select`."""
        return _Wait(self)

    def statistics(self) -> TaskTrackerStatistics:
        """How it stands at this moment."""
        return TaskTrackerStatistics(self._count, self._closed, len(self._waiters))

    def _serve(self) -> list[Waiter]:
        """Let all go, if it is closed and empty. Under the lock."""
        return self._waiters.grant_all() if self._closed and not self._count else []

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        raise TypeError("a TaskTracker has no truth value; did you mean len(tracker), or tracker.is_closed?")

    def __repr__(self) -> str:
        waits = f", {len(self._waiters)} waiting" if len(self._waiters) else ""
        return f"<TaskTracker {'closed' if self._closed else 'open'}, {self._count} tracked{waits}>"

    def _check(self) -> None:
        self._waiters._check()
        assert self._count >= 0, "more has ended than was counted"
        assert not (self._closed and not self._count and self._waiters.head()), "somebody waits for nothing"


class _Wait(QueueOperation[None]):
    __slots__ = ("_tracker",)

    def __init__(self, tracker: TaskTracker) -> None:
        super().__init__(tracker._waiters)
        self._tracker = tracker

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return None if self._tracker._closed and not self._tracker._count else LATER


class TrackerToken:
    """What a tracker counts: from when it is made until its block is left.

    Invariant: `_tracker` counts it until `_released`, which is changed under the lock of the tracker.
    """

    __slots__ = ("_entered", "_released", "_tracker")

    def __init__(self, tracker: TaskTracker) -> None:
        self._tracker = tracker
        self._entered = False
        self._released = False
        with tracker._waiters.lock:
            tracker._count += 1

    def __enter__(self) -> None:
        if self._entered:
            raise RuntimeError("this token of a TaskTracker was entered before; make one for each block")
        self._entered = True

    def __exit__(self, *error: object) -> None:
        self._release()

    def _begin(self, async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> Coroutine[Any, Any, T]:
        """Call an async function; what it gives is counted to its end. A wrong argument is an error here, at once."""
        try:
            return self._follow(as_coroutine(async_fn, async_fn(*args)))
        except BaseException:
            self._release()
            raise

    async def _follow(self, coro: Coroutine[Any, Any, T]) -> T:
        try:
            return await coro
        finally:
            self._release()

    def _release(self) -> None:
        """It is not counted any more. Idempotent."""
        tracker = self._tracker
        with tracker._waiters.lock:
            tracker._count -= not self._released
            self._released = True
            woken = tracker._serve()
        resume_all(woken)

    def __del__(self) -> None:
        if not self._entered:  # what may run anywhere takes no lock, so all that can be done is to say it
            message = f"a token of {self._tracker!r} was dropped before its block: it is counted for ever"
            warnings.warn(message, ResourceWarning, stacklevel=1, source=self)
