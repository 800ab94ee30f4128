"""Nurseries that hear of every child that ends: what `race`, `JoinSet` and their like are made of."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from inspect import CO_ASYNC_GENERATOR
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, TypeVarTuple, Unpack

from conc._kernel.asyncfn import as_coroutine, check_name, refuse_what_is_no_function
from conc._kernel.cancel import CancelScope
from conc._kernel.current import current_task, slot
from conc._kernel.nursery import Nursery, NurseryManager
from conc._kernel.task import CANCELLED, RAISED, Task
from conc.errors import TaskCancelled

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.worker import Worker

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
N = TypeVar("N", bound="HearingNursery")


def error_of(task: Task[Any]) -> BaseException | None:
    """Why a child that has ended has no value; None if it has one."""
    if task.wait is CANCELLED:
        return TaskCancelled(f"{task!r} was cancelled: {task.value}")
    return task.value if task.wait is RAISED else None


class HearingNursery(Nursery):
    """A nursery whose `child_ended` may be extended: it is called for each child, in its strand, before the joiners go
    on. An error that is not passed on to it there cancels nobody."""

    __slots__ = ()

    def __init__(self, parent_task: Task[Any] | None, strand: Strand, scope: CancelScope, parallel: bool) -> None:
        super().__init__(parent_task, strand, scope, parallel)
        self._home = None  # in a nursery that has one, the loop writes most ends down by itself

    def start_soon(
        self, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts, name: str | None = None
    ) -> Task[T]:
        """As that of any nursery."""
        worker = slot.worker
        running = None if worker is None else worker.task
        if self.parallel or self._closed or running is None or running.strand is not self.strand:
            return super().start_soon(async_fn, *args, name=name)
        if name is not None:
            check_name(name)
        try:
            coro = async_fn(*args)
        except TypeError:
            refuse_what_is_no_function(async_fn)
            raise
        coro = as_coroutine(async_fn, coro)
        number = next(worker.numbers)  # type: ignore[union-attr]
        task: Task[T] = Task(coro, copy_context() or None, self, self.cancel_scope, self.strand, number, name)
        self._adopt(task)
        return task

    def _adopt(self, task: Task[Any]) -> None:
        self._enter(task)
        self._let_go(task)

    def _enter(self, task: Task[Any]) -> None:
        """Write a child down. By the owner."""
        self.children[task] = None
        worker: Worker = self.strand.worker  # type: ignore[assignment]
        if worker.watched:
            worker.watched.task_spawned(task)
        if task.coro is None and not self.parallel:  # it was sent from another strand
            task.begin()

    def _let_go(self, task: Task[Any]) -> None:
        """Let a child run that was written down. By the owner."""
        worker: Worker = self.strand.worker  # type: ignore[assignment]
        if self.parallel:
            worker.spread(task.strand)
        else:
            worker.ready.append(task)


class Block(NurseryManager, Generic[N]):
    """The block of such a nursery.

    Args:
        kind: makes the nursery.
        call: what the program called, for errors.
        parallel: whether its children are strands.
    """

    __slots__ = ("_call", "_kind")

    def __init__(
        self, kind: Callable[[Task[Any], Strand, CancelScope, bool], N], call: str, *, parallel: bool = False
    ) -> None:
        super().__init__(parallel)
        self._kind = kind
        self._call = call

    def __enter__(self) -> NoReturn:
        raise RuntimeError(f"use `async with conc.{self._call}(...)`, not `with`")

    async def __aenter__(self) -> N:
        return self.open(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)

    def open(self, in_generator: int) -> N:
        """Enter the block, for the running task."""
        task = current_task()
        if self._nursery is not None:
            raise RuntimeError(f"this block was entered before; call {self._call}() for each block")
        self._nursery = nursery = self._kind(task, task.strand, CancelScope(), self._parallel)
        nursery.cancel_scope._enter(in_generator)
        return nursery
