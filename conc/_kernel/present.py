"""What a running task may ask of its runtime: which it is, what time it is, and to wait for somebody outside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conc._kernel.current import current_task, current_worker

if TYPE_CHECKING:
    from conc._kernel.cancel import CancelScope
    from conc._kernel.runtime import Runtime


class expect_wakeup:  # noqa: N801  # used like a function: with expect_wakeup():
    """``with expect_wakeup():`` somebody outside may still wake a task: this is no Deadlock, and virtual time waits.

    For callbacks of C libraries and of threads that conc cannot see.

    Args:
        words: who will call, for people who look.
    """

    def __init__(self, words: str = "expect_wakeup") -> None:
        self._words = words
        self._wakers: dict[object, Any] | None = None
        self.task: object = None  # who is to be woken

    def __enter__(self) -> None:
        worker = current_worker()
        self.task = worker.task
        self._wakers = worker.crew.wakers
        self._wakers[self] = self._words

    def __exit__(self, *error: object) -> None:
        if self._wakers is not None:
            self._wakers.pop(self, None)
        self.task = None


def current_runtime() -> Runtime:
    """The runtime of the task that is running.

    Raises:
        RuntimeError: called outside of a running program.
    """
    return current_worker().crew.runtime  # type: ignore[no-any-return]


def current_time() -> float:
    """The time on the runtime's clock, in seconds. Deadlines are on this clock; its zero means nothing.

    Raises:
        RuntimeError: called outside of a running program.

    Checkpoint: never.
    """
    return current_worker().now()


def current_effective_deadline() -> float:
    """The earliest deadline that holds for the running task: inf if there is none, -inf if it is cancelled already.

    Checkpoint: never.
    """
    earliest = math.inf
    scope: CancelScope | None = current_task().scope
    if scope is not None and scope.cancelled:
        return -math.inf
    while scope is not None:
        earliest = min(earliest, scope._deadline)
        if scope._shield:
            break
        scope = scope._parent
    return earliest
