"""An async iterator over what a blocking generator gives: many items with each call of a thread, never all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge, current_task
from conc._kernel.suspend import toll
from conc.errors import BusyResource
from conc.threads.to_thread import to_thread

if TYPE_CHECKING:
    from conc._kernel.task import Task

S = TypeVar("S")
T = TypeVar("T")

FIRST: Final = 32  # items with the first call of a thread, then twice as many each time
MOST: Final = 512


class Batches(Generic[S, T]):
    """What a loop over a folder runs on: ``async for``. A block, with ``async with``, closes the folder at its end;
    without one it is closed when the loop has ended, or when nobody holds this any more.

    Args:
        source: the generator. It has not begun: a thread steps it.
        make: makes an item of what the generator gives, in the task.

    Invariant: a thread steps the generator only while `_user` is a task.
    Invariant: an error of the generator is raised once, behind the items that came before it; then all is over.
    """

    __slots__ = ("_error", "_items", "_make", "_size", "_source", "_user")

    def __init__(self, source: Iterator[S], make: Callable[[S], T]) -> None:
        self._make = make
        self._items: deque[S] = deque()
        self._source: Iterator[S] | None = source
        self._error: Exception | None = None
        self._size = FIRST
        self._user: Task[Any] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        charge() or await toll()
        if self._user is not None:
            raise BusyResource(f"{self._user!r} is using this iterator; one task at a time may")
        if not self._items:
            if self._source is not None:
                await self._fetch()
            if not self._items:
                error, self._error = self._error, None
                if error is None:
                    raise StopAsyncIteration
                try:
                    raise error
                finally:
                    del error  # its traceback holds this frame
        return self._make(self._items.popleft())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()
        if error is None:
            charge() or await toll()

    async def aclose(self) -> None:
        """Close the folder. There are no more items. Idempotent.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        await self._close()
        charge() or await toll()

    async def _fetch(self) -> None:
        self._user = current_task()
        try:
            await to_thread(self._step)
        finally:
            self._user = None

    def _step(self) -> None:
        """Let the generator give some items. In a thread."""
        try:
            assert self._source is not None
            before = len(self._items)
            self._items.extend(islice(self._source, self._size))
            if len(self._items) - before < self._size:
                self._source = None
            self._size = min(2 * self._size, MOST)
        except Exception as error:
            self._error = error
            self._source = None

    async def _close(self) -> None:
        if self._user is not None:
            raise BusyResource(f"{self._user!r} is using this iterator; one task at a time may")
        source, self._source = self._source, None
        self._items.clear()
        close = getattr(source, "close", None)
        if close is not None:
            with CancelScope(shield=True):
                await to_thread(close)
