"""Tasks that have ended and wait to be taken, or those who wait for one to end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, TypeVar

from conc._kernel.operation import LATER, QueueOperation
from conc._kernel.waitqueue import WaitQueue, resume_all

if TYPE_CHECKING:
    from conc._kernel.task import Task
    from conc._kernel.waitqueue import Waiter

T = TypeVar("T")


class Ended(QueueOperation["Task[T] | None"]):
    """What has ended, in that order. As an operation: taking the first; it gives None when nothing more will come.

    Used in one strand only, that of `coming`.

    Args:
        reason: what those who wait do, in words.
        coming: those that will follow. Whoever empties it calls `put` or `none_left`.

    Invariant: somebody waits only while `tasks` is empty and `coming` is not.
    """

    __slots__ = ("coming", "tasks")

    def __init__(self, reason: str, coming: Sized) -> None:
        super().__init__(WaitQueue(reason))
        self.coming = coming
        self.tasks: deque[Task[T]] = deque()

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        """Take the first."""
        if self.tasks:
            return self.tasks.popleft()
        return LATER if self.coming else None

    def give_back(self, granted: Task[T] | None) -> None:
        """Put it where it was."""
        if granted is not None:
            self.tasks.appendleft(granted)

    def put(self, task: Task[T]) -> None:
        """`task` has ended, and is not among those to come any more."""
        queue = self.queue
        with queue.lock:
            taker = queue.grant(task)
            if taker is None:
                self.tasks.append(task)
        if taker is not None:
            taker.resume()
        self.none_left()

    def none_left(self) -> None:
        """Tell those who wait if nothing more will come."""
        if not self.coming:
            queue = self.queue
            with queue.lock:
                told = queue.grant_all(None)
            resume_all(told)

    def _check(self) -> None:
        self.queue._check()
        assert not len(self.queue) or (self.coming and not self.tasks), "somebody waits although there is an answer"
