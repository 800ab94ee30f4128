"""A wait in several lines at a time: the first grant decides. The kernel's half of `select`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from conc._kernel.operation import LATER
from conc._kernel.suspend import GRANTED
from conc._kernel.waitqueue import Waiter

if TYPE_CHECKING:
    from conc._kernel.operation import Operation
    from conc._kernel.task import Task


class Branch(Waiter):
    """One of the operations of a select, in its line."""

    __slots__ = ("choice", "index", "operation", "value", "wait")

    is_branch: ClassVar[bool] = True

    def __init__(self, choice: Choice, index: int, operation: Operation[Any]) -> None:
        self.choice = choice
        self.index = index
        self.operation = operation
        self.wait: Any = None
        self.value: Any = None

    @property
    def decided(self) -> bool:  # type: ignore[override]
        """Whether its select is."""
        return not self.choice.token

    @property
    def party(self) -> object:
        """The task of the select."""
        return self.choice.task

    def claim(self) -> bool:
        """Decide the select for this branch: False if it was decided."""
        return self.choice.claim(self)

    def expire(self) -> None:
        """As a timer: its time has come."""
        if self.claim():
            self.value = None
            self.resume()

    def resume(self) -> None:
        """Let the task of the select go on."""
        self.choice.task.resume()


class Choice:
    """What a task waits for in a select: that one of its branches is granted.

    Invariant: `token` holds one thing until the wait is decided, by whoever takes it: a grant, or a cancellation.
    Invariant: `winner` is the branch that was granted, from the moment its task is resumed.
    """

    __slots__ = ("branches", "task", "token", "winner")

    def __init__(self, task: Task[Any], operations: Iterable[tuple[int, Operation[Any]]]) -> None:
        self.task = task
        self.branches = [Branch(self, index, operation) for index, operation in operations]
        self.token = [None]  # taking it is one step, which no other thread divides
        self.winner: Branch | None = None

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        return f"select of {', '.join(branch.operation.reason for branch in self.branches)}"

    def begin(self) -> Branch | None:
        """Do the first operation that is ready and return its branch; else stand in all lines, and return None."""
        queues = {branch.operation.queue for branch in self.branches}
        locks = {queue.number: queue.lock for queue in queues if queue is not None}
        in_order = [locks[number] for number in sorted(locks)]  # or two selects could wait for one another
        woken: list[Waiter] = []
        for lock in in_order:
            lock.acquire()
        ready = None
        for branch in self.branches:
            branch.value = branch.operation.attempt(self.task, woken)
            if branch.value is not LATER:
                ready = branch
                break
        else:
            self.task.wait = self
            for branch in self.branches:
                branch.operation.enter(branch)
        for lock in in_order:
            lock.release()
        for waiter in woken:
            waiter.resume()
        return ready

    def end(self) -> Branch:
        """The task was resumed: leave the other lines, and return the branch that was granted."""
        self.leave()
        assert self.winner is not None, "a select was resumed without a grant"
        return self.winner

    def claim(self, branch: Branch) -> bool:
        """Let `branch` win: False if it is too late. From any thread, under the lock of the branch's line."""
        try:
            self.token.pop()
        except IndexError:
            return False
        self.winner = branch
        self.task.wait = GRANTED
        return True

    def withdraw(self, task: Task[Any]) -> bool:
        """The task was cancelled: leave all lines, unless a branch was granted."""
        try:
            self.token.pop()
        except IndexError:
            return False
        self.leave()
        return True

    def leave(self) -> None:
        """Give up the places in all lines but the winner's, and serve whom that frees. By the owner of the task."""
        for branch in self.branches:
            if branch is not self.winner:
                branch.operation.leave(branch)
