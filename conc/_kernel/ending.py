"""How strands end: a parallel child with a message to its parent, what was stopped by force, where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from conc._kernel.holding import HeldQueue
from conc._kernel.joining import tell_joiners
from conc._kernel.task import Task
from conc._kernel.tree import open_nurseries
from conc.errors import Cancelled, RunFinished

if TYPE_CHECKING:
    from conc._kernel.worker import Worker

ATTEMPTS = 100  # how many times clean-up code is told that it cannot wait any more


class EndOfStrand:
    """The message that a parallel child has ended: the last one that it posts."""

    __slots__ = ("_error", "_joiners", "_task")

    def __init__(self, task: Task[Any], error: BaseException | None) -> None:
        self._task = task
        self._error = error
        self._joiners = task.take_joiners()  # here: the parent, who tells them, does not own the task

    def __call__(self) -> None:
        task = self._task
        task.parent_nursery.child_ended(task, self._error)  # type: ignore[union-attr]
        tell_joiners(self._joiners)

    def refuse(self) -> None:
        """The run was stopped, and the nursery will not raise the error any more."""
        if self._error is not None and not isinstance(self._error, Cancelled):
            self._task.strand.worker.generators.errors.append(self._error)  # type: ignore[union-attr]


def abandon(worker: Worker) -> None:
    """Close the coroutines of what did not end, innermost first, and take each out of the line it stands in."""
    family = list(worker.roots)
    for task in worker.roots:
        beside = task.parent_nursery
        if beside is not None and not beside.parallel:  # the main task, and what came from outside
            family.extend(other for other in beside.children if other is not task)
    for task in family:
        for nursery in open_nurseries(task):
            if not nursery.parallel:
                family.extend(nursery.children)
            errors, nursery._errors = nursery._errors, []
            worker.generators.errors.extend(errors)  # it will not raise them any more
    worker.roots.clear()
    for task in reversed(family):
        if not task.ended and task.coro is not None:
            close_task(worker, task)
    worker.ready.clear()
    worker.refuse_mail()


def is_over(coro: Any) -> bool:
    """Whether a coroutine has run to its end."""
    return getattr(coro, "cr_frame", None) is None and getattr(coro, "gi_frame", None) is None


def close_task(worker: Worker, task: Task[Any]) -> None:
    """Let a task run into a GeneratorExit where it stands, as its last step."""
    if task.wait is not None:
        task.wait.withdraw(task)
    coro: Any = task.coro
    worker.task = task
    for attempt in range(1, ATTEMPTS + 1):
        try:
            coro.close()
        except BaseException as error:  # of clean-up code; or it wants to wait, which it cannot any more
            if attempt == ATTEMPTS or is_over(coro):
                worker.generators.errors.append(error)
        if is_over(coro):
            break
    worker.task = None
    task.scope = task.base_scope
    task.leave(None, RunFinished("the runtime was stopped before this task ended"))
    for joiner in task.take_joiners():
        if isinstance(joiner, HeldQueue):  # in which threads may stand, and tasks of another runtime
            joiner.tell()
    if worker.watched:
        worker.watched.task_exited(task)


def raise_it(error: BaseException) -> NoReturn:
    """Raise `error`: a message, to the strand that is to have it."""
    try:
        raise error
    finally:
        del error  # its traceback holds this frame
