"""An operation: what a primitive can do for somebody, told once, as a sequential state machine.

The few lines of an operation serve all its forms: `perform` for ``await x()``, `perform_nowait` for ``x_nowait()``,
`perform_blocking` for ``x_blocking()``, and `x_ing` for a select of several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar

from conc._kernel.current import slot
from conc._kernel.outsider import Outsider, check_timeout
from conc._kernel.suspend import GRANTED, PARK, Marker
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc._os.threads import current_thread
from conc.errors import ConcError, WouldBlock

if TYPE_CHECKING:
    from conc._kernel.choosing import Branch
    from conc._kernel.task import Task

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LATER: Final = Marker("LATER")  # what `attempt` returns when the party has to wait
AGAIN: Final = Marker("AGAIN")  # what a select is granted that has to begin again: another thread was faster


class Operation(Generic[T_co]):
    """What one branch of a select does. Made by the methods that end in -ing; stateless, or for one use.

    `attempt` and `enter` are called under the lock of `queue`, if there is one: they wait for nothing, raise nothing
    and call no code of users.
    """

    __slots__ = ()

    queue: WaitQueue | None = None
    looks_again: ClassVar[bool] = False

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        raise NotImplementedError

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        """Do it, if that is possible now, and return what is granted; else LATER, with nothing changed.

        Args:
            party: on whose behalf: a task, or a thread.
            woken: where to add those whose wait this decided; they are resumed when the lock was given back.
        """
        raise NotImplementedError

    def enter(self, branch: Branch) -> None:
        """Let `branch` wait for it."""
        raise NotImplementedError

    def leave(self, branch: Branch) -> None:
        """`branch` does not wait any more: another one was granted, or its task cancelled. Without the lock."""
        raise NotImplementedError

    def look_again(self, woken: list[Waiter]) -> None:
        """The party is in line now: grant to whom that is possible after all, to the party perhaps. Under the lock.

        For primitives whose usual case takes no lock; they have `looks_again`.
        """

    def finish(self, granted: Any) -> T_co:
        """The result of what was granted; or raises. By the party, without the lock."""
        return granted  # type: ignore[no-any-return]

    def give_back(self, granted: Any) -> None:
        """Undo a grant of which nobody will learn: its thread was interrupted, its run stopped. Without the lock."""

    def __await__(self) -> NoReturn:
        raise TypeError(f"{self!r} is for conc.select(...); to wait for it alone, await the method without -ing")

    def __repr__(self) -> str:
        return f"<operation {self.reason}>"


class QueueOperation(Operation[T_co]):
    """An operation of a primitive with a wait queue: the same few lines serve all its forms."""

    __slots__ = ("queue", "request")

    queue: WaitQueue

    def __init__(self, queue: WaitQueue, request: Any = None) -> None:
        self.queue = queue
        self.request = request  # for whoever grants, while the party stands in line: the number of permits, say

    @property
    def reason(self) -> str:
        """As that of the queue."""
        return self.queue.reason

    def enter(self, branch: Branch) -> None:
        """Stand in line."""
        self.queue.enlist_branch(branch, self.request)

    def leave(self, branch: Branch) -> None:
        """Leave the line; whoever that frees is served."""
        self.queue.withdraw(branch)

    def would_block(self) -> ConcError:
        """The error of the form that does not wait."""
        return WouldBlock(f"{self.reason} would have to wait")


def party_here() -> object:
    """On whose behalf the caller acts: its task, or its thread if that is none of conc's."""
    worker = slot.worker
    return current_thread() if worker is None or worker.task is None else worker.task


async def perform(operation: QueueOperation[T]) -> T:
    """Do it, waiting in line if that is necessary. The running task has paid: ``charge() or await toll()``.

    If cancelled: nothing happened, and the place in line is given up.
    """
    task: Task[Any] = slot.worker.task  # type: ignore[union-attr, assignment]
    queue = operation.queue
    woken: list[Waiter] = []
    queue.lock.acquire()
    try:
        granted = operation.attempt(task, woken)
        if granted is LATER:
            queue.enlist(task, operation.request)
            if operation.looks_again:
                operation.look_again(woken)
    finally:
        queue.lock.release()
    if woken:
        resume_all(woken)
    if granted is LATER:
        try:
            await PARK
        except BaseException:
            if task.wait is GRANTED:  # no cancellation, then: the run is stopped by force, and nobody will learn of it
                task.wait = None
                operation.give_back(task.value)
            raise
        task.wait = None
        granted, task.value = task.value, None
    del task  # an error holds this frame, and may become that of the task
    try:
        return operation.finish(granted)
    finally:
        del granted  # it may be the error


def perform_nowait(operation: QueueOperation[T]) -> T:
    """Do it now.

    Raises:
        WouldBlock: that is not possible.
    """
    woken: list[Waiter] = []
    with operation.queue.lock:
        granted = operation.attempt(party_here(), woken)
    if woken:
        resume_all(woken)
    if granted is LATER:
        raise operation.would_block()
    return operation.finish(granted)


def perform_blocking(operation: QueueOperation[T], timeout: float | None, what: str) -> T:
    """Do it, blocking this thread if that is necessary. Not for threads that run tasks.

    Args:
        operation: what to do.
        timeout: seconds of real time, at least 0; None is for ever.
        what: the name of the method, for errors.

    Raises:
        RuntimeError: this is the thread of a worker, which would stand still.
        TimeoutError: it was not possible in time; nothing happened.
    """
    check_timeout(timeout)
    if slot.worker is not None:
        raise RuntimeError(f"{what}_blocking was called on a thread that runs tasks, and would hold them all up; "
                           f"write `await ...{what.rpartition('.')[2]}()`, or call it in conc.to_thread")  # fmt: skip
    queue = operation.queue
    woken: list[Waiter] = []
    outsider = Outsider()
    granted: Any = LATER
    try:
        with queue.lock:
            granted = operation.attempt(outsider.party, woken)
            if granted is LATER:
                queue.enlist(outsider, operation.request)
                if operation.looks_again:
                    operation.look_again(woken)
        if woken:
            resume_all(woken)
        if granted is LATER:
            outsider.wait_for_grant(queue, timeout, what)
            granted = outsider.value
    except BaseException:  # it took too long; or of a signal handler, which may run between any two lines of the above
        queue.withdraw(outsider)
        if outsider.wait is GRANTED:
            granted = outsider.value
        if granted is not LATER:  # it was done, and nobody will learn of it
            operation.give_back(granted)
        raise
    return operation.finish(granted)
