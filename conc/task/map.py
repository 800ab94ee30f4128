"""An async function over many items, at most so many ahead of whoever takes the values."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from inspect import CO_ASYNC_GENERATOR
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from conc._kernel.asyncfn import function_name, is_coroutine, refuse_function
from conc._kernel.current import charge, current_strand
from conc._kernel.nursery import Nursery
from conc._kernel.operation import perform
from conc._kernel.suspend import Marker, toll
from conc._kernel.task import CANCELLED, RETURNED, Task, call_async
from conc.errors import Cancelled
from conc.sync import Semaphore
from conc.sync.semaphore import check_count
from conc.task.ended import Ended
from conc.task.hearing import Block, HearingNursery

if TYPE_CHECKING:
    from conc._kernel.cancel import CancelScope
    from conc._kernel.strand import Strand

T = TypeVar("T")
R = TypeVar("R")

READING: Final = Marker("READING")


class Map(Generic[R]):
    """The values of an async function over many items: ``async for value in results:``. Made by `open_map`.

    At home in the strand that opened it.

    Invariant: at most `limit` items were read whose values were not given out; `_room` has a permit for each other one.
    Invariant: `_coming` holds the calls that will still give a value, and READING while there may be more of them.
    """

    __slots__ = ("_async_fn", "_coming", "_ended", "_failure", "_nursery", "_order", "_parallel", "_room", "_source")

    def __init__(
        self,
        async_fn: Callable[[Any], Awaitable[R]],
        source: Iterable[Any] | AsyncIterable[Any],
        limit: int,
        ordered: bool,
        parallel: bool,
    ) -> None:
        self._async_fn = async_fn
        self._source = source
        self._parallel = parallel
        self._room = Semaphore(limit)
        self._coming: dict[object, None] = {READING: None}
        self._order: deque[Task[R]] | None = deque() if ordered else None
        self._ended: Ended[R] = Ended("a value of open_map", self._coming)
        self._failure: Exception | None = None

    # ---- taking the values ----------------------------------------------------------------------------------------

    def __aiter__(self) -> Map[R]:
        return self

    async def __anext__(self) -> R:
        if current_strand() is not self._nursery.strand:
            raise RuntimeError("this open_map is at home in another strand; send its values through a channel")
        charge() or await toll()
        task = await perform(self._ended)
        if task is not None:
            self._room.release()
            return task.join_nowait()
        failure, self._failure = self._failure, None
        if failure is None:
            raise StopAsyncIteration
        self._nursery._errors.remove(failure)
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame

    # ---- making them ----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Read the source and start the calls. A child of the nursery of the block."""
        nursery = self._nursery
        kind = partial(Calls, results=self, block=nursery)
        async with Block(kind, "open_map", parallel=self._parallel) as calls:
            try:
                await self._read(calls)
            except Exception as error:
                nursery._errors.append(error)  # leaves with the block, unless somebody takes it before
                self._failure = error
            finally:
                del self._coming[READING]
                self._ended.none_left()

    async def _read(self, calls: Calls) -> None:
        source = self._source
        name = function_name(self._async_fn)
        asynchronous = isinstance(source, AsyncIterable)
        try:
            iterator: Any = aiter(source) if asynchronous else iter(source)  # type: ignore[arg-type]
            while True:
                await self._room.acquire()  # first the room, then the item
                try:
                    if asynchronous:
                        item = await anext(iterator)
                    else:
                        item = next(iterator)
                except (StopIteration, StopAsyncIteration):
                    return
                task = calls.start_soon(call_async, self._async_fn, (item,), name=name)
                self._coming[task] = None
                if self._order is not None:
                    self._order.append(task)
        finally:
            if isinstance(source, AsyncGeneratorType):
                await source.aclose()

    def _call_ended(self, task: Task[R]) -> None:
        """Give the value of a call out when it is its turn."""
        order = self._order
        if order is None:
            self._put(task)
            return
        while order and order[0].ended:
            self._put(order.popleft())

    def _put(self, task: Task[R]) -> None:
        del self._coming[task]
        if task.wait is RETURNED or (task.wait is CANCELLED and not task.base_scope.cancelled):
            self._ended.put(task)
        else:  # the block has the error, or everything is cancelled
            self._ended.none_left()

    # ---- the block ------------------------------------------------------------------------------------------------

    def _open(self, nursery: Nursery) -> None:
        """The block begins: start working in its nursery."""
        self._nursery = nursery
        nursery.start_soon(self._run, name=f"open_map of {function_name(self._async_fn)}")

    def _close(self) -> None:
        """The block has ended: drop what nobody took, which would hold this and be held by it."""
        self._ended.tasks.clear()
        self._failure = None


class Calls(HearingNursery):
    """The nursery of the calls. Their errors go to that of the block, so that all errors leave in one group."""

    __slots__ = ("_block", "_map")

    def __init__(
        self,
        parent_task: Task[Any],
        strand: Strand,
        scope: CancelScope,
        parallel: bool,
        results: Map[Any],
        block: Nursery,
    ) -> None:
        super().__init__(parent_task, strand, scope, parallel)
        self._map = results
        self._block = block

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """An error ends the block."""
        if error is not None and not isinstance(error, Cancelled):
            self._block._errors.append(error)
            self._block.cancel_scope._cancel("nursery", f"{task!r} raised {type(error).__name__}")
            error = None
        super().child_ended(task, error)
        self._map._call_ended(task)


class MapBlock(Generic[R]):
    """The block of a `Map`: what `open_map` returns."""

    __slots__ = ("_block", "_map")

    def __init__(self, results: Map[R]) -> None:
        self._map = results
        self._block = Block(HearingNursery, "open_map")

    async def __aenter__(self) -> Map[R]:
        nursery = self._block.open(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)
        self._map._open(nursery)
        return self._map

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        nursery = self._block._nursery
        if nursery is not None:
            nursery.cancel_scope.cancel("the block of open_map was left")
        try:
            return await self._block.__aexit__(kind, error, traceback)
        finally:
            self._map._close()
            del error, traceback, nursery  # a traceback holds this frame


def open_map(
    async_fn: Callable[[T], Awaitable[R]],
    source: Iterable[T] | AsyncIterable[T],
    *,
    limit: int,
    ordered: bool = True,
    parallel: bool = False,
) -> MapBlock[R]:
    """Call an async function for each item of a source, several at a time, and take the values as they come.

    ::

        async with conc.open_map(fetch, urls, limit=10) as pages:
            async for page in pages:
                ...

    The source is read by a task beside the block, in the same strand, and never further ahead than `limit` items of
    those whose values were taken. An async generator is closed at the end; any other source is left as it is.

    An error of a call cancels the others and the block. An error of the source is raised in the loop, after the values
    of the items before it. Leaving the block before the end cancels the calls that are running and drops the values
    that were not taken.

    Args:
        async_fn: an async function of one item.
        source: an iterable, or an async iterable such as a receiver.
        limit: how many items may be under way, at least 1: being worked on, or done and not taken.
        ordered: give the values in the order of the items; else in the order in which they are there.
        parallel: let each call be a strand of its own, as in `conc.open_nursery`.

    Raises (at the end of the block):
        ExceptionGroup: errors of calls and of the block, always as a group.

    Raises (in the loop):
        Exception: the error of the source.
        TaskCancelled: a call cancelled its own task, so there is no value in its place.

    Raises:
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: taking a value is always a cancel point, and waits only if none is there. At the end of the block a
        schedule point, which waits for the calls; no cancel point of its own.
    If cancelled: no value was taken. The block cancels the calls and waits for them.
    """
    if not callable(async_fn) or is_coroutine(async_fn):
        refuse_function(async_fn, None, "open_map")
    if not isinstance(source, (Iterable, AsyncIterable)):
        raise TypeError(f"source must be an iterable or an async iterable, not {source!r}")
    check_count(limit, "limit", 1)
    for name, value in (("ordered", ordered), ("parallel", parallel)):
        if value is not False and value is not True:
            raise TypeError(f"{name} must be True or False, not {value!r}")
    return MapBlock(Map(async_fn, source, limit, ordered, parallel))
