"""What the primitives of the zoo are made of: a line of waiting tasks, and a book of what was handed to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conc.lowlevel import Task, current_task, park, unpark


class Line:
    """Tasks that wait, first come first served. A task that is cancelled leaves it at once.

    Args:
        reason: what they wait for.
        would_succeed: whether the first would not have to wait, if it came now. None: nobody can tell.
    """

    def __init__(self, reason: str, would_succeed: Callable[[], bool] | None = None) -> None:
        self.reason = reason
        self._would_succeed = would_succeed
        self._waiting: dict[Task[Any], Any] = {}  # in order; with what each asked for

    async def wait(self, request: Any = None) -> Any:
        """Stand in line until `let_go`; returns what is given there."""
        return await park(self, lambda task: self._waiting.update({task: request}))

    @property
    def first(self) -> Task[Any] | None:
        """Who is next."""
        return next(iter(self._waiting), None)

    def request_of(self, task: Task[Any]) -> Any:
        """What a waiting task asked for."""
        return self._waiting[task]

    def let_go(self, value: Any = None) -> Task[Any] | None:
        """Let the first go on; None if nobody waits."""
        task = self.first
        if task is not None:
            del self._waiting[task]
            unpark(task, value)
        return task

    def let_all_go(self, value: Any = None) -> None:
        """Let everybody go on."""
        while self.let_go(value):
            pass

    def __bool__(self) -> bool:
        return bool(self._waiting)

    # ---- for lowlevel.park ------------------------------------------------------------------------------------------

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled."""
        del self._waiting[task]
        return True

    def would_succeed(self, task: Task[Any]) -> bool:
        """Asked when the whole program is at rest: a wait that would succeed now is a lost wake-up."""
        return task is self.first and self._would_succeed is not None and self._would_succeed()


class Ledger:
    """Each hand-off to a waiting task: it has to end in a normal return, or be given back.

    Args:
        name: of the primitive that hands something over.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._under_way: dict[Task[Any], str] = {}
        self._lost: list[str] = []

    @contextmanager
    def wait(self) -> Iterator[None]:
        """The running task waits for a hand-off inside the block."""
        task = current_task()
        try:
            yield
        except BaseException as error:
            what = self._under_way.pop(task, None)
            if what is not None:
                self._lost.append(f"{self._name} handed {what} to {task.name}, whose wait ended in {error!r}")
            raise
        self._under_way.pop(task, None)

    def hand(self, task: Task[Any], what: str) -> None:
        """Something was handed over."""
        self._under_way[task] = what

    def give_back(self) -> None:
        """The running task has given back what it was handed."""
        del self._under_way[current_task()]

    def audit(self) -> str | None:
        """A hand-off that got lost."""
        return self._lost[0] if self._lost else None
