"""Waiting, beside a mutex, until somebody says that what it protects has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from conc._kernel.asyncfn import call_plain, check_plain
from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge
from conc._kernel.holding import name_of
from conc._kernel.operation import LATER, QueueOperation, party_here, perform, perform_blocking
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.sync.mutex import LOST, Mutex, MutexStatistics
from conc.sync.semaphore import check_count

T = TypeVar("T")

STRANGER: Final = Marker("STRANGER")  # granted to who does not hold the mutex


class ConditionStatistics(NamedTuple):
    """A `Condition` at one moment."""

    tasks_waiting: int
    """How many wait to be notified."""
    mutex: MutexStatistics
    """Its mutex; among those who wait for that are the ones that were notified."""


class Condition:
    """Something that may become true, protected by a mutex: ``async with condition: await condition.wait_for(check)``.

    Who waits gives the mutex back while he waits, and has it again when he goes on. Who changes what it protects holds
    it too, and says so by `notify` or `notify_all`; then he leaves the block, and the notified go on one by one.

    May be used from any strand; `notify`, `notify_all` and `wait_blocking` from any thread that holds the mutex.

    Args:
        mutex: whose holder may wait and notify; several conditions may share one. None: a new one.

    Raises:
        TypeError: that is no Mutex.

    Invariant: who waits here does not hold the mutex. A notification moves him to the end of the line of the mutex,
    under the one lock that both lines have.
    Order: who waits longest is notified first.
    """

    __slots__ = ("_mutex", "_waiters")

    def __init__(self, mutex: Mutex | None = None) -> None:
        if mutex is None:
            mutex = Mutex()
        elif not isinstance(mutex, Mutex):
            raise TypeError(f"mutex must be a Mutex, not {mutex!r}")
        self._mutex = mutex
        self._waiters = _Line(mutex._waiters)

    @property
    def mutex(self) -> Mutex:
        """The mutex, for all that can be done with it."""
        return self._mutex

    def __aenter__(self) -> Awaitable[None]:
        return self._mutex.__aenter__()

    def __aexit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> Awaitable[None]:
        return self._mutex.__aexit__(kind, error, traceback)

    async def wait(self) -> None:
        """Give the mutex back, wait to be notified, and take the mutex again.

        What was waited for may have been undone before the mutex was had again: `wait_for` looks.

        Raises:
            RuntimeError: the task does not hold the mutex.
            BrokenResource: a task has ended while it held the mutex, which is lost.

        Checkpoint: always a cancel point, and it waits.
        If cancelled: it first has the mutex again, whatever that takes. A notification that it got goes to the next. If
            it was notified and had the mutex already, it returns.
        """
        charge() or await toll()
        wait = _Wait(self)
        try:
            granted = await perform(wait)
        except GeneratorExit:
            raise  # closed by force, and may not wait any more
        except BaseException:
            if wait.has_released:
                if self._mutex.owner is not party_here():
                    with CancelScope(shield=True):
                        await self._mutex.acquire()
                self._notify(len(wait.notified))
            raise
        self._look_at(granted)

    async def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until `predicate()` is true, and return what it gave.

        Args:
            predicate: called by the waiting task with the mutex held: now, and whenever it was notified.

        Raises:
            RuntimeError, BrokenResource: as `wait`.
            TypeError: the predicate is not a plain function.
            BaseException: what the predicate raised; the mutex is held.

        Checkpoint: always a cancel point; it waits only if the predicate is not true.
        If cancelled: as `wait`.
        """
        check_plain(predicate, "predicate")
        party = charge() or await toll()
        if self._mutex.owner is not party:
            self._look_at(STRANGER)
        del party  # an error holds this frame, and may become that of the task
        while not (result := call_plain(predicate)):
            await self.wait()
        return result

    def wait_blocking(self, timeout: float | None = None) -> None:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time for the notification and the mutex; None is for ever.

        Raises:
            TimeoutError: it took longer. First it has the mutex again, whatever that takes.
            RuntimeError, BrokenResource: as `wait`; or this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        wait = _Wait(self)
        try:
            granted = perform_blocking(wait, timeout, "Condition.wait")
        except BaseException:
            if wait.has_released:
                if self._mutex.owner is not party_here():
                    self._mutex.acquire_blocking()
                self._notify(len(wait.notified))
            raise
        self._look_at(granted)

    def notify(self, n: int = 1) -> None:
        """Let `n` of those who wait go on, if there are so many, when they have the mutex. From any thread.

        Raises:
            RuntimeError: the caller does not hold the mutex.
            ValueError, TypeError: a bad number.

        Checkpoint: never.
        Cost: O(n).
        """
        check_count(n, "n", 0)
        self._notify(n)

    def notify_all(self) -> None:
        """Let all who wait go on, one by one, when they have the mutex. From any thread.

        Raises:
            RuntimeError: the caller does not hold the mutex.

        Checkpoint: never.
        Cost: O(waiters).
        """
        self._notify(len(self._waiters))

    def statistics(self) -> ConditionStatistics:
        """How it stands at this moment."""
        return ConditionStatistics(len(self._waiters), self._mutex.statistics())

    def _notify(self, n: int) -> None:
        waiters, mutex = self._waiters, self._mutex
        watch = None
        with waiters.lock:
            held = mutex._owner is party_here()
            if held and n and waiters.head() is not None:
                watch = mutex._waiters.watch()
                while n and (waiter := waiters.send_on(mutex._waiters)) is not None:
                    waiter.value.append(waiter)
                    n -= 1
        if not held:
            self._look_at(STRANGER)
        if watch is not None:
            watch.resume()

    def _look_at(self, granted: Any) -> None:
        """Raise the error that stands for what was granted, if it does."""
        if granted is STRANGER:
            raise RuntimeError(f"{name_of(party_here())} does not hold the mutex of {self!r}; "
                               "wait and notify inside of `async with condition:`")  # fmt: skip
        if granted is LOST:
            raise self._mutex._was_lost()

    def __repr__(self) -> str:
        return f"<Condition {len(self._waiters)} waiting, with {self._mutex!r}>"

    def _check(self) -> None:
        self._waiters._check()
        self._mutex._check()


class _Line(WaitQueue):
    """Those who wait to be notified. One who was notified stands in the line of the mutex, and leaves that."""

    __slots__ = ("_onward",)

    def __init__(self, onward: WaitQueue) -> None:
        super().__init__("Condition.wait", beside=onward)
        self._onward = onward

    def withdraw(self, waiter: Waiter) -> bool:
        return super().withdraw(waiter) or self._onward.withdraw(waiter)


class _Wait(QueueOperation[Any]):
    """One wait: it gives the mutex back when it stands in line, and is granted the mutex."""

    __slots__ = ("_mutex", "has_released", "notified")

    looks_again = True

    def __init__(self, condition: Condition) -> None:
        self.notified: list[Waiter] = []  # who waits, once it was notified
        super().__init__(condition._waiters, self.notified)
        self._mutex = condition._mutex
        self.has_released = False

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER if self._mutex._owner is party else STRANGER

    def look_again(self, woken: list[Waiter]) -> None:
        self.has_released = True
        heir = self._mutex._pass_on()
        if heir is not None:
            woken.append(heir)

    def finish(self, granted: Any) -> Any:
        if granted is None:
            self._mutex._waiters.took(party_here())
        return granted
