"""Several coroutines at the same time: the first that ends decides."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, overload

import outcome

from conc.errors import Cancelled, TaskCancelled
from conc.task.hearing import Block, HearingNursery, error_of
from conc.task.owned import itself, own, owner

if TYPE_CHECKING:
    from conc._kernel.cancel import CancelScope
    from conc._kernel.strand import Strand
    from conc._kernel.task import Task

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")

if TYPE_CHECKING:

    @overload
    async def race(a: Awaitable[A], b: Awaitable[B], /) -> A | B: ...
    @overload
    async def race(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> A | B | C: ...
    @overload
    async def race(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /) -> A | B | C | D: ...
    @overload
    async def race(*coros: Awaitable[T]) -> T: ...


@owner
async def race(*coros: Awaitable[T]) -> T:
    """Run coroutines at the same time until the first ends; returns its value, or raises its error.

    The others are cancelled, and have ended when this returns. Each runs as a child task, in the strand of the caller.
    It owns the coroutines: each runs, or is closed unstarted.

    The others may have done something before they were cancelled, such as taking a message. For exactly one of several
    operations, and the others not at all, use `conc.select`.

    Raises:
        Exception: the error of the first, itself: as if it had been awaited alone.
        ExceptionGroup: others failed too, as they ended; with the error of the first, if that failed.
        TaskCancelled: the first cancelled its own task.
        TypeError, ValueError: no coroutine, something else than one, one that somebody awaits already, or one twice.

    Checkpoint: always a cancel point; it waits for the first, then for the end of the others.
    If cancelled: all were cancelled and have ended, or none of them has begun. If one ended by itself all the same,
        that decides, and the cancellation is raised at the next cancel point.
    """
    if not coros:
        raise ValueError("race needs at least one coroutine; of none, none would ever be the first to end")
    await own("race", coros)
    contest = None
    try:
        async with Block(Race, "race") as contest:
            for coro in coros:
                contest.start_soon(itself, coro)
    except Cancelled:
        if contest is None or contest.first is None:
            raise
    # None was first if all were cancelled, and then a shield was raised around them.
    first = contest.first or outcome.Error(TaskCancelled("all that race was given were cancelled"))
    errors = contest.errors
    try:
        if errors:
            decisive = [first.error] if isinstance(first, outcome.Error) else []
            raise BaseExceptionGroup("errors in a race", [*decisive, *errors])
        return first.unwrap()  # type: ignore[no-any-return]
    finally:
        del contest, first, errors  # a traceback holds this frame


class Race(HearingNursery):
    """The nursery of a race.

    Attributes:
        first: what the first came to that ended, and not because all were cancelled.
        errors: what others raised.
    """

    __slots__ = ("errors", "first")

    def __init__(self, parent_task: Task[Any] | None, strand: Strand, scope: CancelScope, parallel: bool) -> None:
        super().__init__(parent_task, strand, scope, parallel)
        self.first: outcome.Outcome[Any] | None = None
        self.errors: list[BaseException] = []

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """The first decides."""
        was_cancelled = isinstance(error, Cancelled)
        super().child_ended(task, error if was_cancelled else None)
        if was_cancelled:
            return
        if self.first is None:
            error = error_of(task)
            self.first = outcome.Value(task.value) if error is None else outcome.Error(error)
            self.cancel_scope.cancel(f"{task.name} ended first")
        elif error is not None:
            self.errors.append(error)
