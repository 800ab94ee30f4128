"""A wait in several lines at a time: the first grant decides. The kernel's half of `select`."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from conc._kernel.operation import LATER
from conc._kernel.suspend import GRANTED
from conc._kernel.waitqueue import Waiter, resume_all

if TYPE_CHECKING:
    from conc._kernel.operation import Operation
    from conc._kernel.task import Task

Numbered = tuple[int, "Operation[Any]"]  # a branch: its place among the arguments, and what it does
Done = tuple[int, "Operation[Any]", Any]  # the same, and what was granted

NUMBER: Final = attrgetter("number")


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
    def party(self) -> Task[Any]:
        """The task of the select."""
        return self.choice.task

    def claim(self) -> bool:
        """Decide the select for this branch: False if it was decided. From any thread, under the lock of its line."""
        choice = self.choice
        try:
            choice.token.pop()
        except IndexError:
            return False
        choice.winner = self
        choice.task.wait = GRANTED
        return True

    def resume(self) -> None:
        """Let the task of the select go on."""
        self.choice.task.resume()

    # ---- what has no line: called by the owner of the task ----------------------------------------------------------

    def tell(self) -> None:
        """As who joins a task: it has ended."""
        if self.claim():
            self.resume()

    def expire(self) -> None:
        """As a timer: its time has come."""
        if self.claim():
            self.choice.task.strand.worker.inbox.append(self.choice.task)  # type: ignore[union-attr]


class Choice:
    """What a task waits for in a select: that one of its branches is granted.

    Invariant: `token` holds one thing until the wait is decided, by whoever takes it: a grant, or a cancellation.
    Invariant: `winner` is the branch that was granted, from the moment its task is resumed until `end`.
    Invariant: there are branches only while it waits, for they and the choice hold one another.
    Invariant: it is the `value` of its task from when that waits until it has left all lines.
    """

    __slots__ = ("began", "branches", "task", "token", "winner")

    def __init__(self, task: Task[Any], began: float | None = None) -> None:
        self.task = task
        self.began = began  # when the select did, if one of its branches counts from then on
        self.branches: list[Branch] = []
        self.token = [None]  # taking it is one step, which no other thread divides
        self.winner: Branch | None = None

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        return f"select of {', '.join(branch.operation.reason for branch in self.branches)}"

    def begin(self, operations: Sequence[Numbered], tries: Sequence[Numbered]) -> Done | None:
        """Do the first of `tries` that is ready: its branch, and what was granted. Else get in line for all of
        `operations`, which are the same in their own order, and return None; the task then suspends, and calls `end`.
        """
        task = self.task
        queues = [operation.queue for _, operation in operations if operation.queue is not None]
        if len(queues) > 1:
            queues.sort(key=NUMBER)  # one order for all, or two selects could wait for one another
        locks = dict.fromkeys([queue.lock for queue in queues])  # each of them once
        woken: list[Waiter] = []
        done = None
        for lock in locks:
            lock.acquire()
        try:
            for index, operation in tries:
                granted = operation.attempt(task, woken)
                if granted is not LATER:
                    done = index, operation, granted
                    break
            else:
                task.wait = task.value = self
                self.branches = [Branch(self, index, operation) for index, operation in operations]
                for branch in self.branches:
                    if branch.operation.queue is not None:
                        branch.operation.enter(branch)
                for branch in self.branches:
                    if branch.operation.looks_again:
                        branch.operation.look_again(woken)
        finally:
            for lock in locks:
                lock.release()
        if woken:
            resume_all(woken)
        for branch in self.branches:
            if branch.operation.queue is None:  # only the owner of the task looks there, and that is here
                branch.operation.enter(branch)
        return done

    def end(self) -> Done:
        """The task was resumed: leave the other lines, and return the branch that was granted, as `begin` does."""
        winner = self.winner
        assert winner is not None, "a select was resumed without a grant"
        self.leave()
        return winner.index, winner.operation, winner.value

    def give_back(self) -> None:
        """The task was granted a branch, but its run is stopped by force, and it will not learn of it."""
        for branch in self.branches:
            if branch.operation.queue is not None:
                with branch.operation.queue.lock:
                    pass  # who grants, perhaps just now, does so under this lock
        _, operation, granted = self.end()
        operation.give_back(granted)

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
        branches, self.branches = self.branches, []
        winner, self.winner = self.winner, None
        self.task.value = None
        for branch in branches:
            if branch is not winner:
                branch.operation.leave(branch)
