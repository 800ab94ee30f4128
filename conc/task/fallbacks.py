"""Several ways to the same value, tried at the same time."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, overload

import outcome

from conc._kernel.task import RETURNED
from conc.errors import Cancelled
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
    async def first_ok(a: Awaitable[A], b: Awaitable[B], /) -> A | B: ...
    @overload
    async def first_ok(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> A | B | C: ...
    @overload
    async def first_ok(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /) -> A | B | C | D: ...
    @overload
    async def first_ok(*coros: Awaitable[T]) -> T: ...


@owner
async def first_ok(*coros: Awaitable[T]) -> T:
    """Run coroutines at the same time until one returns; returns its value.

    The others are cancelled, and have ended when this returns. The errors of those that failed are dropped: they are
    what the others were there for. Each runs as a child task, in the strand of the caller. It owns the coroutines: each
    runs, or is closed unstarted.

    Raises:
        ExceptionGroup: all failed; their errors, in the order of the arguments. Always a group.
        BaseExceptionGroup: one raised what is no Exception, such as KeyboardInterrupt. The others were cancelled.
        TypeError, ValueError: no coroutine, something else than one, one that somebody awaits already, or one twice.

    Checkpoint: always a cancel point; it waits for the first value, then for the end of the others.
    If cancelled: all were cancelled and have ended, or none of them has begun; the errors of those that had failed are
        dropped. If one returned all the same, its value is returned, and the cancellation is raised at the next cancel
        point.
    """
    if not coros:
        raise ValueError("first_ok needs at least one coroutine; of none, none could ever return")
    await own("first_ok", coros)
    attempts = None
    tasks: list[Task[T]] = []
    try:
        async with Block(Attempts, "first_ok") as attempts:
            tasks += [attempts.start_soon(itself, coro) for coro in coros]
    except Cancelled:
        if attempts is None or attempts.winner is None:
            raise
    if attempts.winner is not None:
        value: T = attempts.winner.unwrap()
        return value
    raise BaseExceptionGroup("all that first_ok was given failed", list(filter(None, map(error_of, tasks))))


class Attempts(HearingNursery):
    """The nursery of `first_ok`.

    Attributes:
        winner: what the first came to that returned.
    """

    __slots__ = ("winner",)

    def __init__(self, parent_task: Task[Any] | None, strand: Strand, scope: CancelScope, parallel: bool) -> None:
        super().__init__(parent_task, strand, scope, parallel)
        self.winner: outcome.Value[Any] | None = None

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """A value ends the others, an error does not."""
        super().child_ended(task, None if isinstance(error, Exception) else error)
        if self.winner is None and task.wait is RETURNED:
            self.winner = outcome.Value(task.value)
            self.cancel_scope.cancel(f"{task.name} has a value")
