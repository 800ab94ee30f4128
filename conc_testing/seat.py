"""Where tasks wait for one another in the models of streams: a table with a lock, and seats at it.

Whoever changes something at the table calls those whom it concerns, and they look again. Nothing is handed over with a
call, so nothing can be lost when who was called is cancelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import conc
from conc.lowlevel import Task, park, unpark

T = TypeVar("T")


class Later(NamedTuple):
    """What an attempt returns that cannot succeed yet."""

    reason: str
    """What is missing, in words."""
    until: float = math.inf
    """When to look again even if nobody calls, on the runtime's clock."""


class Table:
    """What several tasks do with one another, one at a time: ``with table:`` holds its lock.

    Those who were called inside the block are resumed after it, without the lock. May be used from any strand.
    """

    __slots__ = ("_called", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._called: list[Task[Any]] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        called, self._called = self._called, []  # always: the list is for who holds the lock
        self._lock.release()
        for task in called:
            unpark(task)

    def resume_after(self, task: Task[Any]) -> None:
        """Resume a parked task when the lock has been given back. Inside the block."""
        self._called.append(task)


class Seat:
    """Where one task waits until it is called.

    Attributes:
        reason: what the task waits for that sits here, in words.

    Invariant: `_task` is parked here, or about to be, and nobody has called it.
    Invariant: who parks has made an attempt when `_calls` was what it is now; else it looks again at once.
    """

    __slots__ = ("_calls", "_expected", "_table", "_task", "reason")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._task: Task[Any] | None = None
        self._calls = 0
        self._expected = 0
        self.reason = ""

    async def attempt(self, attempt: Callable[[], T | Later]) -> T:
        """Make an attempt at the table until it succeeds, each time after a call, or when it said to look again.

        What the attempt raises ends that. If cancelled, the last attempt was one that did not succeed.
        """
        while True:
            with self._table:
                result = attempt()
                self._expected = self._calls
            if not isinstance(result, Later):
                return result
            self.reason = result.reason
            if result.until == math.inf:
                await park(self, self._sit)
            else:
                with conc.move_on_at(result.until):
                    await park(self, self._sit)

    def call(self) -> None:
        """Let whoever sits here look again. With the lock of the table."""
        self._calls += 1
        if self._task is not None:
            self._table.resume_after(self._task)
            self._task = None

    def withdraw(self, task: Task[Any]) -> bool:
        """The task was cancelled, on its own thread: False if it has been called already."""
        with self._table:
            if self._task is not task:
                return False
            self._task = None
            return True

    def _sit(self, task: Task[Any]) -> None:
        """The task is about to park: to be called from now on, or at once if it missed a call."""
        with self._table:
            if self._calls == self._expected:
                self._task = task
            else:
                self._table.resume_after(task)

    def __repr__(self) -> str:
        return f"<Seat, {'empty' if self._task is None else self.reason}>"

    def _check(self) -> None:
        assert self._task is None or not self._task.ended, "a task that has ended sits here"
        assert self._expected <= self._calls, "a call is expected that nobody has made"
