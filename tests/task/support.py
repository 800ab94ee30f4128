"""Coroutines to combine, and what is said of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

import conc
from conc.lowlevel import current_task
from conc.task import JoinSet

T = TypeVar("T")
Call = Callable[..., Awaitable[Any]]
COMBINATIONS: tuple[Call, ...] = (conc.join, conc.race, conc.first_ok)
both_orders = pytest.mark.parametrize("ordered", [True, False])


class Log:
    """What the coroutines of a test did, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def give(self, name: str, seconds: float = 0) -> str:
        """Say when it begins, ends and is cancelled; returns its name."""
        self.lines.append(f"{name} begins")
        try:
            await conc.sleep(seconds)
        except conc.Cancelled:
            self.lines.append(f"{name} is cancelled")
            raise
        self.lines.append(f"{name} ends")
        return name


async def give(value: T, seconds: float = 0) -> T:
    """Return a value after a while."""
    await conc.sleep(seconds)
    return value


async def fail(message: str, seconds: float = 0) -> Any:
    """Raise a ValueError after a while."""
    await conc.sleep(seconds)
    raise ValueError(message)


async def cancel_myself() -> Any:
    """End by a cancellation of this task alone."""
    current_task().cancel("of my own")
    await conc.sleep_forever()


async def resist(seconds: float, error: Exception | None = None, value: str = "late") -> str:
    """Do not be cancelled: go on for some seconds, then raise, or return a value."""
    try:
        await conc.sleep_forever()
    except conc.Cancelled:
        with conc.CancelScope(shield=True):
            await conc.sleep(seconds)
        if error is not None:
            raise error from None
        return value


class Counted:
    """A source of so many items, and then perhaps an error, that knows how far it was read."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count = count
        self.error = error
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        while self.read < self.count:
            self.read += 1
            yield self.read - 1
        if self.error is not None:
            raise self.error


class AsyncCounted(Counted):
    """The same, a second for each item."""

    def __aiter__(self) -> AsyncIterator[int]:
        self._items = iter(self)
        return self

    async def __anext__(self) -> int:
        await conc.sleep(1)
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


async def double(number: int) -> int:
    """Twice the number, after a second."""
    await conc.sleep(1)
    return 2 * number


async def values_of(tasks: JoinSet) -> list[object]:
    """Take all, and their values."""
    return [task.join_nowait() async for task in tasks]


def is_closed(coro: Any) -> bool:
    """Whether a coroutine that never ran was closed."""
    return coro.cr_frame is None
