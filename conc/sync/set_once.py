"""A place for a value that is set once and given to all who wait for it."""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.errors import WouldBlock

T = TypeVar("T")

UNSET: Final = Marker("UNSET")


class SetOnceStatistics(NamedTuple):
    """A `SetOnce` at one moment."""

    is_set: bool
    """Whether it has its value."""
    tasks_waiting: int
    """How many wait in `SetOnce.wait`."""


class SetOnce(Generic[T]):
    """A value that comes later, once and for all: ``value = await cell.wait()`` wherever it is needed.

    May be used from any strand; `set`, `get`, `is_set` and `wait_blocking` from any thread.

    Invariant: nobody waits for a value that is set.
    """

    __slots__ = ("_value", "_waiters")

    def __init__(self) -> None:
        self._value: T | Marker = UNSET
        self._waiters = WaitQueue("SetOnce.wait")

    def is_set(self) -> bool:
        """Whether `set` was called. Checkpoint: never."""
        return self._value is not UNSET

    def set(self, value: T) -> None:
        """Give it its value, and let everybody who waits go on. From any thread.

        Raises:
            RuntimeError: it has one; that stays.

        Checkpoint: never.
        Cost: O(waiters).
        """
        waiters = self._waiters
        with waiters.lock:
            first = self._value is UNSET
            if first:
                self._value = value
            woken = waiters.grant_all()
        if not first:
            raise RuntimeError("this SetOnce was set before, and a value is set once")
        resume_all(woken)

    def get(self) -> T:
        """The value, without waiting. From any thread.

        Raises:
            WouldBlock: it is not set yet.

        Checkpoint: never.
        """
        return perform_nowait(_Wait(self))

    async def wait(self) -> T:
        """Wait until it is set, and return the value.

        Checkpoint: always a cancel point; it waits only if it is not set.
        If cancelled: nothing happened.
        """
        charge() or await toll()
        return await perform(_Wait(self))

    def wait_blocking(self, timeout: float | None = None) -> T:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not set in time.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(_Wait(self), timeout, "SetOnce.wait")

    def waiting(self) -> QueueOperation[T]:
        """`wait`, for `conc.select`."""
        return _Wait(self)

    def statistics(self) -> SetOnceStatistics:
        """How it stands at this moment."""
        return SetOnceStatistics(self.is_set(), len(self._waiters))

    def __repr__(self) -> str:
        return f"<SetOnce {'set' if self.is_set() else f'not set, {len(self._waiters)} waiting'}>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self.is_set() and len(self._waiters)), "somebody waits for a value that is set"


class _Wait(QueueOperation[T]):
    __slots__ = ("_cell",)

    def __init__(self, cell: SetOnce[T]) -> None:
        super().__init__(cell._waiters)
        self._cell = cell

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER if self._cell._value is UNSET else None

    def finish(self, granted: Any) -> T:
        return self._cell._value  # type: ignore[return-value]  # set before anybody is granted, and for good

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"{self._cell!r} has no value yet")
