"""Seeing which checkpoints a block of code passes. It costs nothing where nobody looks.

Every operation that passes a cancel point pays for it, or ends its step. So there is nothing to be counted on the way:
the watch puts a purse that tells of payments in the place of the worker's budget, for the steps of one task, and looks
in between where the task stood.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from conc._kernel.current import current_task, slot
from conc._kernel.detour import Detour

if TYPE_CHECKING:
    from conc._kernel.task import Task


class CheckpointWatch(Detour):
    """``with CheckpointWatch() as seen:`` sees which checkpoints the running task passes inside the block.

    What other tasks do meanwhile, children of the block included, is not looked at.

    Raises:
        RuntimeError: entered outside of a task.

    Attributes:
        cancel_point: whether the task passed one, raised there or not.
        schedule_point: whether others could run in between.
    """

    __slots__ = ("cancel_point", "schedule_point")

    def __init__(self) -> None:
        self.cancel_point = False
        self.schedule_point = False

    def __enter__(self) -> CheckpointWatch:
        task = current_task()
        super().__init__(task)
        task.context = self
        self._fill_purse()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        worker: Any = slot.worker
        if type(worker.budget) is _Purse and worker.budget.watch is self:
            worker.budget = worker.budget.inner
        holder: Task[Any] | Detour = self.task
        del self.task
        while isinstance(holder.context, Detour):
            if holder.context is self:
                holder.context = self.context
                break
            holder = holder.context

    def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """A step begins, so another one has ended: at a checkpoint a task waits for nothing."""
        self.schedule_point = True
        if self.task.wait is None:
            self.cancel_point = True
        self._fill_purse()
        try:
            return self.step(function, argument)
        finally:
            del self, function, argument

    def paid(self) -> None:
        """Somebody paid for an operation."""
        if slot.worker.task is getattr(self, "task", None):  # type: ignore[union-attr]
            self.cancel_point = True

    def _fill_purse(self) -> None:
        worker: Any = slot.worker
        budget = worker.budget
        while type(budget) is _Purse:
            if budget.watch is self:
                return
            budget = budget.inner
        worker.budget = _Purse(worker.budget, self)


class _Purse(int):
    """What is left of a budget, until somebody pays from it; then an ordinary number is in its place."""

    inner: int
    watch: CheckpointWatch

    def __new__(cls, budget: int, watch: CheckpointWatch) -> _Purse:
        purse = super().__new__(cls, budget)
        purse.inner = budget
        purse.watch = watch
        return purse

    def __sub__(self, cost: int) -> int:
        self.watch.paid()
        return self.inner - cost
