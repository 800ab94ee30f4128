"""A value that is made when it is first needed, by whoever needs it first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from conc._kernel.asyncfn import as_coroutine, refuse_what_is_no_function
from conc._kernel.current import charge
from conc._kernel.holding import OwnedQueue, name_of
from conc._kernel.operation import LATER, QueueOperation, perform
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc.errors import WouldBlock

T = TypeVar("T")

UNSET: Final = Marker("UNSET")
NOBODY: Final = Marker("NOBODY")
YOURS: Final = Marker("YOURS")  # granted: to make the value
OWN: Final = Marker("OWN")  # granted to who makes it already


class OnceCellStatistics(NamedTuple):
    """An `OnceCell` at one moment."""

    is_set: bool
    """Whether it has its value."""
    initialiser: object | None
    """The task that makes it; None if none does."""
    tasks_waiting: int
    """How many wait for it in `OnceCell.get_or_init`."""


class OnceCell(Generic[T]):
    """A value that is made once, when it is first needed: ``value = await cell.get_or_init(connect)``.

    May be used from any strand; `get`, `set` and `is_set` from any thread.

    Invariant: somebody waits only while one task makes the value.
    Order: if that fails, the one who waits longest is next to try.
    """

    __slots__ = ("_initialiser", "_value", "_waiters")

    def __init__(self) -> None:
        self._value: T | Marker = UNSET
        self._initialiser: object = NOBODY
        self._waiters = OwnedQueue("OnceCell.get_or_init", self._initialisers, by="made by")

    def is_set(self) -> bool:
        """Whether it has its value. Checkpoint: never."""
        return self._value is not UNSET

    def get(self) -> T:
        """The value, without waiting and without making it. From any thread.

        Raises:
            WouldBlock: it is not set.

        Checkpoint: never.
        """
        if self._value is UNSET:
            raise WouldBlock(f"{self!r} has no value yet")
        return self._value  # type: ignore[return-value]

    def set(self, value: T) -> None:
        """Give it a value from outside. From any thread.

        Raises:
            RuntimeError: it has one, or a task is making one.

        Checkpoint: never.
        """
        with self._waiters.lock:
            free = self._value is UNSET and self._initialiser is NOBODY
            if free:
                self._value = value
        if not free:
            raise RuntimeError(f"{self!r} cannot be set: it has a value, or one is being made")

    async def get_or_init(self, async_fn: Callable[[], Awaitable[T]]) -> T:
        """The value; if there is none, ``await async_fn()`` makes it, or another task is waited for that makes it.

        Args:
            async_fn: makes the value. One at a time does that; if it raises or is cancelled, its error leaves here and
                the next in line calls its own.

        Raises:
            RuntimeError: `async_fn` asks for the value that it makes.
            TypeError: `async_fn` is not an async function.
            Exception: what `async_fn` raised.

        Checkpoint: always a cancel point; it waits only if it has to make the value, or for another who does.
        If cancelled: who waited for another has only ceased to wait. Who made the value has failed.
        """
        refuse_what_is_no_function(async_fn, "get_or_init", more="")
        charge() or await toll()
        value = self._value
        if value is UNSET and await perform(_GetOrInit(self)) is YOURS:
            try:
                value = await as_coroutine(async_fn, async_fn())
            except BaseException:
                self._failed()
                raise
            self._succeeded(value)
        return self._value  # type: ignore[return-value]

    def statistics(self) -> OnceCellStatistics:
        """How it stands at this moment."""
        initialiser = None if self._initialiser is NOBODY else self._initialiser
        return OnceCellStatistics(self.is_set(), initialiser, len(self._waiters))

    def _succeeded(self, value: T) -> None:
        waiters = self._waiters
        with waiters.lock:
            self._value = value
            self._initialiser = NOBODY
            woken = waiters.grant_all()
        resume_all(woken)

    def _failed(self) -> None:
        waiters = self._waiters
        with waiters.lock:
            heir = waiters.grant(YOURS)
            self._initialiser = NOBODY if heir is None else heir.party
        if heir is not None:
            heir.resume()

    def _initialisers(self) -> tuple[object, ...]:
        initialiser = self._initialiser
        return () if initialiser is NOBODY else (initialiser,)

    def __repr__(self) -> str:
        initialiser = self._initialiser
        if self.is_set():
            return "<OnceCell set>"
        if initialiser is NOBODY:
            return "<OnceCell not set>"
        return f"<OnceCell made by {name_of(initialiser)}, {len(self._waiters)} waiting>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self.is_set() and self._initialiser is not NOBODY), "made a second time"
        assert self._initialiser is not NOBODY or not len(self._waiters), "somebody waits, and nobody makes it"


class _GetOrInit(QueueOperation[Any]):
    __slots__ = ("_cell",)

    def __init__(self, cell: OnceCell[Any]) -> None:
        super().__init__(cell._waiters)
        self._cell = cell

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        cell = self._cell
        if cell._value is not UNSET:
            return None
        if cell._initialiser is NOBODY:
            cell._initialiser = party
            return YOURS
        return OWN if cell._initialiser is party else LATER

    def finish(self, granted: Any) -> Any:
        if granted is OWN:
            raise RuntimeError(f"the function that makes {self._cell!r} asks for its value, and would wait for itself")
        return granted

    def give_back(self, granted: Any) -> None:
        if granted is YOURS:
            self._cell._failed()
