"""The wait queue: where the tasks that wait for a shared primitive stand in line, and where each wait is decided.

Every primitive is a sequential state machine over one of these. All that has to be right about threads is here: a
waiter is taken off the queue and its wait decided in one critical section, under `lock`. Whoever releases decides and
then, with the lock given back, resumes; a cancellation is carried out by the owner of the task, under the same lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conc._kernel.suspend import GRANTED, resume
from conc._os.sync import Deque, Lock

if TYPE_CHECKING:
    from conc._kernel.task import Task


class WaitQueue:
    """Tasks in line for one primitive: first come, first served.

    A method called under the lock says so. A task in line has this queue as its `wait`, and in `value` what it asked
    for; once granted, `wait` is GRANTED and `value` is what it gets.

    Args:
        reason: what the tasks wait for, in words.
        serve: called under the lock when a waiter has left the line: grants to whoever can be served now, and returns
            those tasks. None if a leaving waiter frees nobody.

    Invariant: an entry of `_line` is dead if its task has more dead entries in `_dead` than stand before it; the
    others are exactly the tasks whose `wait` is this queue.
    Invariant: dead entries are at most 16 + the live ones.

    Cost: all operations O(1), `withdraw` amortised.
    """

    __slots__ = ("_dead", "_dead_count", "_line", "_serve", "lock", "reason")

    def __init__(self, reason: str, serve: Callable[[], list[Task[Any]]] | None = None) -> None:
        self.reason = reason
        self.lock = Lock()
        self._serve = serve
        self._line: Deque[Task[Any]] = Deque()
        self._dead: dict[Task[Any], int] = {}
        self._dead_count = 0

    def __len__(self) -> int:
        """How many wait. Exact under the lock."""
        return len(self._line) - self._dead_count

    def enlist(self, task: Task[Any], request: Any = None) -> None:
        """Put the running task at the end of the line; it then gives the lock back and suspends. Under the lock."""
        task.value = request
        task.wait = self
        self._line.append(task)

    def head(self) -> Task[Any] | None:
        """Who is first in line. Under the lock."""
        line = self._line
        if self._dead_count:
            self._bury()
        return line[0] if line else None

    def grant(self, value: Any = None) -> Task[Any] | None:
        """Take the first off the line and decide its wait; the caller resumes it later. Under the lock."""
        if self._dead_count:
            self._bury()
        if not self._line:
            return None
        task = self._line.popleft()
        task.value = value
        task.wait = GRANTED
        if self._dead_count > 16 + len(self):
            self._compact()
        return task

    def grant_all(self, value: Any = None) -> list[Task[Any]]:
        """Take everybody off the line, in order. Under the lock."""
        granted = []
        while (task := self.grant(value)) is not None:
            granted.append(task)
        return granted

    def withdraw(self, task: Task[Any]) -> bool:
        """Take a cancelled task out of the line, and serve whom that frees: False if it was granted already."""
        self.lock.acquire()
        if task.wait is not self:
            self.lock.release()
            return False
        self._remove(task)
        task.wait = None
        granted = self._serve() if self._serve is not None else ()
        self.lock.release()
        for other in granted:
            resume(other)
        return True

    def _remove(self, task: Task[Any]) -> None:
        line = self._line
        if line[-1] is task:
            line.pop()
        elif line[0] is task and task not in self._dead:
            line.popleft()
        else:
            # Somewhere in the middle: leave the entry, and skip it later. An entry that the task makes from now on
            # stands behind this one, so counting from the front tells the dead from the living.
            self._dead[task] = self._dead.get(task, 0) + 1
            self._dead_count += 1
        if self._dead_count > 16 + len(self):
            self._compact()

    def _bury(self) -> None:
        """Drop dead entries from the front."""
        line, dead = self._line, self._dead
        while line and line[0] in dead:
            self._count_down(line.popleft())

    def _compact(self) -> None:
        for _ in range(len(self._line)):
            task = self._line.popleft()
            if task in self._dead:
                self._count_down(task)
            else:
                self._line.append(task)

    def _count_down(self, task: Task[Any]) -> None:
        self._dead_count -= 1
        count = self._dead[task] - 1
        if count:
            self._dead[task] = count
        else:
            del self._dead[task]

    def __repr__(self) -> str:
        return f"<WaitQueue {self.reason}, {len(self)} waiting>"

    def _check(self) -> None:
        assert self._dead_count == sum(self._dead.values()), "dead entries miscounted"
        assert self._dead_count <= 16 + len(self), "dead entries pile up"
        left = dict(self._dead)
        for task in self._line:
            if left.get(task, 0):
                left[task] -= 1
            else:
                assert task.wait is self, f"{task!r} stands in line but does not wait here"
        assert not any(left.values()), "a dead entry is missing"
