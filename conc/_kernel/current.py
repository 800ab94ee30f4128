"""Which worker and which task run on this thread, and what an operation costs them.

Everything else finds the running task through here. The slot is per thread: several runtimes may live side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conc._os.sync import local

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker


class _Slot(local):
    worker: Worker | None = None


slot = _Slot()


def current_worker() -> Worker:
    """The worker whose thread this is.

    Raises:
        RuntimeError: this thread runs no conc runtime at the moment.
    """
    worker = slot.worker
    if worker is None:
        raise RuntimeError(
            "this needs a running conc program: call it from a task inside conc.run(...); "
            "from another thread go through a portal, or from_thread.run in a to_thread function"
        )
    return worker


def current_task() -> Task[Any]:
    """The task that is running on this thread.

    Raises:
        RuntimeError: no task of conc is running here.
    """
    task = current_worker().task
    if task is None or not task.is_task:
        raise RuntimeError("no task is running: this is a callback of the runtime, which may not wait")
    return task  # type: ignore[return-value]


def current_strand() -> Strand:
    """The strand whose task or message runs on this thread."""
    task = current_worker().task
    if task is None:
        raise RuntimeError("no task is running on this worker")
    return task.strand


def charge() -> Task[Any] | None:
    """Pay for one operation that need not wait: the running task, or None if it must pass a checkpoint first.

    The way every public operation begins::

        task = charge() or await toll()

    None means that a cancellation is pending, which the checkpoint in `toll` raises before anything happened, or that
    the budget of this step is spent, in which case others run first.
    """
    worker = slot.worker
    if worker is None:
        worker = current_worker()
    task = worker.task
    budget = worker.budget
    if task.scope.cancelled or budget <= 0:  # type: ignore[union-attr]
        return None
    worker.budget = budget - 1
    return task  # type: ignore[return-value]
