"""What may stand in the place of a task's context for a step or more: raising something, or looking behind each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conc._kernel.task import Task


class Detour:
    """Stands in the place of a task's context for a while, to do something else than step the coroutine.

    The worker calls ``context.run(coro.send, None)`` for each step of a task whose context is not None.
    """

    __slots__ = ("context", "task")

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self.context = task.context

    def step(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Call `function` in the task's real context. Where that is plain, the worker is in it already."""
        context = self.context
        return function(argument) if context is None else context.run(function, argument)

    def run(self, send: Callable[[None], Any], _: None) -> Any:
        """One step."""
        raise NotImplementedError


class Interruption(Detour):
    """The next step raises something in the coroutine, in place of resuming it."""

    __slots__ = ("_error",)

    def __init__(self, task: Task[Any], error: BaseException | None) -> None:
        super().__init__(task)
        self._error = error

    def run(self, send: Callable[[None], Any], _: None) -> Any:
        """Raise it, with everything as it was before."""
        task = self.task
        context = task.context = self.context
        coro: Any = task.coro
        error = self._error or task.scope.cancellation()
        return coro.throw(error) if context is None else context.run(coro.throw, error)
