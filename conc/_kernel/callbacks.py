"""A function that is called when a time has come: not a task, and it may not wait."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from conc._kernel.cancel import check_time
from conc._kernel.current import current_worker

if TYPE_CHECKING:
    from conc._kernel.worker import Worker


class Callback:
    """A call that is to come. Made by `call_at`.

    Invariant: `_worker` is its worker until it is called, or called off; so long it stands in that worker's timers, or
    was taken out of them at this moment, to be called.
    """

    __slots__ = ("_deadline", "_fn", "_worker")

    def __init__(self, worker: Worker, deadline: float, fn: Callable[[], object]) -> None:
        self._worker: Worker | None = worker
        self._deadline = deadline
        self._fn = fn
        worker.timers.add(deadline, self)

    def cancel(self) -> bool:
        """Call it off: False if it was called, or called off, already. On the thread that made it."""
        worker, self._worker = self._worker, None
        if worker is None:
            return False
        worker.timers.remove(self._deadline, self)  # it is not there any more if it is about to be called
        return True

    def expire(self) -> None:
        """The time has come: called by the worker."""
        if self._worker is not None:  # else another timer of the same moment has called it off
            self._worker = None
            self._fn()


def call_at(deadline: float, fn: Callable[[], object]) -> Callback:
    """Call `fn()` at `deadline`, on this thread, between two steps. What it raises ends the run.

    For models of the outside world: a task that waits for a time is easier to read, and to cancel.

    Args:
        deadline: in seconds on the runtime's clock, finite; one that has passed is due at once.
        fn: a plain function, which may not wait.

    Raises:
        ValueError: `deadline` is not a finite number.
        RuntimeError: no program of conc runs on this thread.

    Checkpoint: never.
    """
    if abs(check_time(deadline, "deadline")) == inf:
        raise ValueError(f"deadline must be a finite number of seconds, not {deadline}")
    return Callback(current_worker(), deadline, fn)
