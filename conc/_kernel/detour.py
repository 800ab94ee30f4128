"""What may stand in the place of a task's context for a while: raising something, or looking behind each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conc._kernel.task import Task


class Detour:
    """Stands in the place of a task's context for a while, to do something else than step the coroutine.

    The worker calls ``context.run(coro.send, None)`` for each step of a task whose context is not None.

    The methods let go of all they know before they end: since 3.13 the frames in a traceback know their callers, and
    the error that the traceback belongs to may become the outcome of the task.
    """

    __slots__ = ("context", "task")

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self.context = task.context

    def step(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Call `function` in the task's real context. Where that is plain, the worker is in it already."""
        context = self.context
        try:
            return function(argument) if context is None else context.run(function, argument)
        finally:
            del self, context, function, argument

    def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """One step: what the worker calls, or a detour that this one stands behind."""
        raise NotImplementedError


class Interruption(Detour):
    """The next step raises something in the coroutine, in place of resuming it.

    Args:
        error: what to raise; None for the cancellation of the task's scope, if it is cancelled then.
    """

    __slots__ = ("_error",)

    def __init__(self, task: Task[Any], error: BaseException | None) -> None:
        super().__init__(task)
        self._error = error

    def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Raise it, with everything as it was before."""
        task = self.task
        task.context = self.context
        error = self._error
        try:
            if error is None:
                if not task.scope.cancelled:  # a shield has come between, or the task belongs to another nursery now
                    return self.step(function, argument)
                error = task.scope.cancellation()
            task.wait = None  # whatever the task was granted at the await that now raises
            return self.step(task.coro.throw, error)  # type: ignore[union-attr]
        finally:
            del self, task, error, function, argument
