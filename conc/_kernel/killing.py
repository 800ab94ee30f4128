"""Ending tasks as the death of a process does: without unwinding. For simulations, which let hosts die."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conc._kernel.choosing import Choice
from conc._kernel.current import current_worker
from conc._kernel.ending import ATTEMPTS, is_over
from conc._kernel.joining import tell_joiners
from conc._kernel.suspend import GRANTED
from conc._kernel.task import CANCELLED, Task
from conc._kernel.tree import open_nurseries
from conc.errors import Cancelled

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.worker import Worker


def kill(task: Task[Any], reason: str = "killed") -> list[Task[Any]]:
    """End a task, and all below it, where they stand: no ``except``, ``finally`` or ``__aexit__`` of theirs runs.

    What they waited for forgets them. Their outcome is a cancellation, and their nursery goes on without them. The
    coroutines are kept as they are until the run is over, and closed then; nobody hears what comes out of that.

    Args:
        task: a task of this thread, below which the caller is not.
        reason: words for people who look at its outcome.

    Returns:
        All that were killed, parents first; none if it had ended.

    Raises:
        RuntimeError: the task lives on another thread, or the caller is one of those to be killed.

    Checkpoint: never.
    """
    worker = current_worker()
    if task.ended:
        return []
    nursery = task.parent_nursery
    if nursery is None or nursery.parent_task is None:
        raise RuntimeError(f"kill: {task!r} is the main task of the run, which ends by itself or by being cancelled")
    family = _family(task)
    if any(one.strand.worker not in {worker, None} for one in family):
        raise RuntimeError(f"kill: {task!r}, or a task below it, lives on another thread")
    if worker.task in family:
        raise RuntimeError(f"kill: {worker.task!r} cannot kill itself, nor a task that it is a part of")
    dead = set(family)
    for one in reversed(family):
        _withdraw(worker, one)
    _forget_wakers(worker, dead)
    for one in family:
        joiners = one.take_joiners()
        one.value = Cancelled("killed", reason)
        one.wait = CANCELLED
        tell_joiners([joiner for joiner in joiners if joiner not in dead])
        if worker.watched:
            worker.watched.task_exited(one)
    worker.crew.killed.extend(family)
    for waiting in _nurseries_that_wait_for_a_start(family):
        waiting._starting -= 1
        if waiting.parent_task not in dead:
            waiting.all_ended()
    nursery.child_ended(task, None)
    return family


def _family(task: Task[Any]) -> list[Task[Any]]:
    """A task and all below it, parents first."""
    family = [task]
    for one in family:
        for nursery in open_nurseries(one):
            family.extend(nursery.children)
    return family


def _nurseries_that_wait_for_a_start(family: list[Task[Any]]) -> list[Nursery]:
    """Those in which the tasks were about to start children, with ``nursery.start``."""
    rooms = [room for task in family for room in open_nurseries(task)]
    return [room._room_for for room in rooms if hasattr(room, "_room_for")]


def _forget_wakers(worker: Worker, dead: set[Task[Any]]) -> None:
    """Nobody outside can wake the dead: what was declared for them keeps neither time nor a Deadlock from coming."""
    wakers = worker.crew.wakers
    for key, waker in list(wakers.items()):
        if not isinstance(waker, str):
            if waker.task in dead:
                waker.abandon()
        elif key in dead or getattr(key, "task", None) in dead:
            wakers.pop(key, None)


def _withdraw(worker: Worker, task: Task[Any]) -> None:
    """Take a task out of whatever could make it run again."""
    wait: Any = task.wait
    if wait is GRANTED and isinstance(task.value, Choice):
        task.value.leave()  # it was decided, and stands in its other lines
    if wait is not None and not wait.withdraw(task) and hasattr(wait, "abandon"):
        wait.abandon()
    for queue in (worker.ready, worker.inbox):
        while task in queue:
            queue.remove(task)
    nursery: Nursery = task.parent_nursery  # type: ignore[assignment]  # none is a main task
    if nursery.parallel:
        worker.roots.pop(task, None)
        if task.strand in worker.fresh:
            worker.fresh.remove(task.strand)
            task.strand.worker = worker  # who answers its mail: those who join it
            worker.deliver(task.strand)
    scope: Any = task.scope
    while scope is not None and scope is not task.base_scope:
        if scope in worker.unarmed:
            worker.unarmed.remove(scope)
        scope._disarm()
        if scope._nursery is not None:
            scope._nursery._closed = True  # for what is under way to it
            scope._nursery._home = None
        scope = scope._parent


def bury(worker: Worker) -> None:
    """The run is over: close the coroutines of those who were killed, in the order in which they were born."""
    killed = worker.crew.killed
    for task in killed:
        coro: Any = task.coro
        if coro is None or task.strand.worker is not worker:
            continue
        worker.task = task
        outcome = task.wait, task.value
        for _ in range(ATTEMPTS):
            try:
                coro.close()
            except BaseException:  # of clean-up that never was: there is nobody to whom it matters
                pass
            if is_over(coro):
                break
        task.coro = None
        task.wait, task.value = outcome  # which clean-up that began to wait has written over
        worker.task = None
