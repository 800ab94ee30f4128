"""Awaiting a coroutine, and being told when that makes the task wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import iscoroutine
from types import CodeType, FrameType
from typing import Any

from conc.lowlevel import current_task


class Watched:
    """``await Watched(coro, on_wait)`` is ``await coro``, but `on_wait` is called each time that this parks the task.

    Where it only lets others run, it is not called.

    To who looks at the stack of the task, it is the coroutine.

    Args:
        coro: a coroutine that has not begun.
        on_wait: called in the task, just before it is suspended.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], on_wait: Callable[[], object]) -> None:
        self._coro: Any = coro
        self.__qualname__ = getattr(coro, "__qualname__", type(coro).__name__)
        self._on_wait = on_wait
        self._task = current_task()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all that an await asks of a generator

    def __iter__(self) -> Watched:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._looked_at(self._coro.send(value))

    def throw(self, *error: Any) -> Any:
        """Raise an error where it stands."""
        return self._looked_at(self._coro.throw(*error))

    def close(self) -> None:
        """End it."""
        self._coro.close()

    @property
    def cr_frame(self) -> FrameType | None:
        """That of the coroutine."""
        return self._coro.cr_frame  # type: ignore[no-any-return]

    @property
    def cr_code(self) -> CodeType:
        """That of the coroutine."""
        return self._coro.cr_code  # type: ignore[no-any-return]

    @property
    def cr_await(self) -> Any:
        """That of the coroutine."""
        return self._coro.cr_await

    def _looked_at(self, yielded: Any) -> Any:
        if hasattr(self._task.wait, "reason"):
            self._on_wait()
        return yielded


async def call(function: Callable[..., Any], args: tuple[Any, ...], on_wait: Callable[[], object]) -> Any:
    """The result of a function, async or not; `on_wait` is called when that makes the task wait."""
    result = function(*args)
    if iscoroutine(result):
        return await Watched(result, on_wait)
    return await Watched(_coroutine(result), on_wait) if hasattr(result, "__await__") else result


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
