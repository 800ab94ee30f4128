"""Waiting for a semaphore: each wait is granted or cancelled, never both (DESIGN section 5, `conc._kernel.waitqueue`).

All is decided under one lock. Who releases takes waiters off the line, as long as the free permits suffice for the
first, and marks each as granted; then, with the lock given back, he lets them run: he appends each to its worker's
ready. A cancellation is carried out by the owner of the task: under the lock he finds it granted and leaves it alone,
or takes it off the line, and serves those whom that frees.

Here each worker has a task that acquires, the first one two permits. One thread gives permits, one by one, and
another cancels the first task.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    CANCEL_WITHOUT_THE_LOCK = auto()
    TAKE_OFF_THE_LINE_AND_MARK_LATER = auto()
    MARK_AFTER_RESUMING = auto()
    LEAVE_WITHOUT_SERVING = auto()
    ENLIST_AFTER_UNLOCKING = auto()


class State(Enum):
    """The state of a task's wait."""

    NONE = auto()
    IN_LINE = auto()
    GRANTED = auto()


@dataclass(slots=True, eq=False, repr=False)
class Task(Shared):
    worker: Worker
    need: int
    wait: State = State.NONE
    interrupted: bool = False  # its next step raises Cancelled
    result: str = ""


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    ready: deque[Task] = field(default_factory=deque)
    inbox: deque[str] = field(default_factory=deque)  # "cancel", for the one task that lives here


@dataclass(slots=True, eq=False, repr=False)
class Semaphore(Model):
    tasks: tuple[Task, ...]
    broken: Broken | None
    permits: int
    free: int = 0
    line: deque[Task] = field(default_factory=deque)
    locked: bool = False

    def programs(self) -> dict[str, Steps[None]]:
        workers = {task.worker.name: self.run(task.worker, task) for task in self.tasks}
        return workers | {"giver": self.release_all(), "canceller": self.cancel(self.tasks[0])}

    def lock(self) -> Steps[None]:
        yield Wait("lock", lambda: not self.locked)
        self.locked = True

    def unlock(self) -> Steps[None]:
        yield "unlock"
        self.locked = False

    # ---- acquire and release --------------------------------------------------------------------------------------

    def acquire(self, task: Task) -> Steps[None]:
        yield from self.lock()
        yield "take permits, or get in line"
        if not self.line and self.free >= task.need:
            self.free -= task.need
            task.result = "granted"
        elif self.broken is not Broken.ENLIST_AFTER_UNLOCKING:
            self.enlist(task)
        yield from self.unlock()
        if self.broken is Broken.ENLIST_AFTER_UNLOCKING and not task.result:
            yield "get in line"
            self.enlist(task)

    def enlist(self, task: Task) -> None:
        self.line.append(task)
        task.wait = State.IN_LINE

    def release_all(self) -> Steps[None]:
        left = self.permits
        while left:
            left -= 1
            yield from self.lock()
            yield "give a permit"
            self.free += 1
            served = yield from self.serve()
            yield from self.unlock()
            yield from self.resume(served)

    def serve(self) -> Steps[tuple[Task, ...]]:
        """Under the lock: take who can be served off the line."""
        served: tuple[Task, ...] = ()
        while self.line and self.line[0].need <= self.free:
            yield f"take {self.line[0]} off the line"
            require(bool(self.line), "the line has changed under the lock")
            task = self.line.popleft()
            self.free -= task.need
            served += (task,)
            if self.broken not in (Broken.TAKE_OFF_THE_LINE_AND_MARK_LATER, Broken.MARK_AFTER_RESUMING):
                yield f"mark {task} as granted"
                task.wait = State.GRANTED
        return served

    def resume(self, tasks: tuple[Task, ...]) -> Steps[None]:
        """With the lock given back: let those run who were granted."""
        while tasks:
            task, tasks = tasks[0], tasks[1:]
            if self.broken is Broken.TAKE_OFF_THE_LINE_AND_MARK_LATER:
                yield f"mark {task} as granted"
                task.wait = State.GRANTED
            yield f"append {task} to its ready"
            self.make_ready(task)
            if self.broken is Broken.MARK_AFTER_RESUMING:
                yield f"mark {task} as granted"
                task.wait = State.GRANTED

    def make_ready(self, task: Task) -> None:
        require(task not in task.worker.ready and not task.result, f"{task} is resumed twice")
        task.worker.ready.append(task)

    # ---- cancel ---------------------------------------------------------------------------------------------------

    def cancel(self, task: Task) -> Steps[None]:
        yield f"post 'cancel' to {task.worker}"
        task.worker.inbox.append("cancel")

    def interrupt(self, task: Task) -> Steps[None]:
        yield f"read what {task} waits for"
        if task.wait is not State.IN_LINE:
            return
        withdrawn = yield from self.withdraw(task)
        if withdrawn:
            task.interrupted = True  # nobody else looks at this, nor appends: one step with the next
            self.make_ready(task)

    def withdraw(self, task: Task) -> Steps[bool]:
        if self.broken is not Broken.CANCEL_WITHOUT_THE_LOCK:
            yield from self.lock()
            yield f"look whether {task} was granted"
            if task.wait is not State.IN_LINE:
                yield from self.unlock()
                return False
        yield f"take {task} out of the line"
        if task in self.line:
            self.line.remove(task)
        task.wait = State.NONE
        served: tuple[Task, ...] = ()
        if self.broken is not Broken.LEAVE_WITHOUT_SERVING:
            served = yield from self.serve()
        if self.broken is not Broken.CANCEL_WITHOUT_THE_LOCK:
            yield from self.unlock()
        yield from self.resume(served)
        return True

    # ---- workers --------------------------------------------------------------------------------------------------

    def run(self, me: Worker, task: Task) -> Steps[None]:
        yield from self.acquire(task)
        while True:
            yield Wait("take what is there", lambda: bool(me.inbox or me.ready))
            if me.inbox:
                me.inbox.popleft()
                yield from self.interrupt(task)
            else:
                me.ready.popleft()
                require(task.interrupted or task.wait is State.GRANTED, f"{task} runs before its wait is decided")
                task.result = "cancelled" if task.interrupted else "granted"
                task.wait = State.NONE

    def at_rest(self, waiting: dict[str, str]) -> None:
        stuck = bool(self.line) and self.line[0].need <= self.free
        require(not stuck, f"{list(self.line)} wait beside {self.free} free permits")
        held = sum(task.need for task in self.tasks if task.result == "granted")
        require(self.free + held == self.permits, f"{self.permits} permits were given, {self.free} + {held} are there")
        for task in self.tasks:
            require(bool(task.result) or task in self.line, f"{task} is neither in line nor done")


def semaphore(workers: int, permits: int, broken: Broken | None = None) -> Semaphore:
    names = ("big", "small", "other")[:workers]
    tasks = tuple(Task(name, Worker(f"worker of {name}"), 2 if name == "big" else 1) for name in names)
    return Semaphore("semaphore", tasks, broken, permits)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("permits", [1, 2, 3])
def test_each_wait_is_decided_once_and_no_permit_is_lost(workers: int, permits: int) -> None:
    assert_holds(lambda: semaphore(workers, permits))


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    ("broken", "permits", "message"),
    [
        (Broken.CANCEL_WITHOUT_THE_LOCK, 2, "the line has changed under the lock"),
        (Broken.TAKE_OFF_THE_LINE_AND_MARK_LATER, 2, "is resumed twice"),
        (Broken.MARK_AFTER_RESUMING, 2, "runs before its wait is decided"),
        (Broken.LEAVE_WITHOUT_SERVING, 1, "free permits"),
        (Broken.ENLIST_AFTER_UNLOCKING, 2, "free permits"),
    ],
)
def test_each_broken_rule_of_waiting_is_found(workers: int, broken: Broken, permits: int, message: str) -> None:
    assert_fails(lambda: semaphore(workers, permits, broken), message)
