"""Nurseries that hear of every child that ends: what `race`, `JoinSet` and their like are made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from conc._kernel.cancel import CancelScope
from conc._kernel.current import current_task
from conc._kernel.nursery import Nursery, NurseryManager
from conc._kernel.task import CANCELLED, RAISED
from conc.errors import TaskCancelled

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.task import Task

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
