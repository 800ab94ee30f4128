"""The only places that yield to the worker, and how a suspended task is resumed.

A step of a task ends with a yield. What is yielded tells the worker what to do:

- ``None``: run me again after the others (`checkpoint`). A cancellation finds the task there and is raised.
- ``SHIELDED``: the same, but no cancellation is raised.
- ``SPENT``: as None, from an operation that found the budget of the turn spent: the turn ends with this step.
- ``PARKED``: do nothing; whoever was told will resume me. `task.wait` says who that is.

Anything else was yielded by a foreign awaitable and is an error of the task that awaited it.

`task.wait` is the state of a wait, and only the owner of the task or the holder of the wait's lock changes it:
an object with ``withdraw`` while parked, `GRANTED` from the decision to resume until the task runs, None otherwise.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final, Protocol

from conc._kernel.current import charge, current_task, current_worker, slot

if TYPE_CHECKING:
    from conc._kernel.task import Task


class Marker:
    """A constant with a name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def withdraw(self, task: Task[Any]) -> bool:
        """As a `Wait`: it was decided already, or may not be interrupted."""
        return False


PARKED: Final = Marker("PARKED")
SHIELDED: Final = Marker("SHIELDED")
SPENT: Final = Marker("SPENT")
GRANTED: Final = Marker("GRANTED")


class Wait(Protocol):
    """What a parked task waits for: the one who can take it back, and the words for it."""

    @property
    def reason(self) -> str:
        """What is waited for, in words: ``"Semaphore.acquire"``."""

    def withdraw(self, task: Task[Any]) -> bool:
        """Take the task back, because it was cancelled: True if it will not be unparked any more.

        Called by the owner of the task. False means that the wait was decided already, or may not be interrupted.
        """


class Pause(list[Marker | None]):
    """``await PARK`` yields PARKED once, and nothing else: without a frame of its own, which a parked task would keep.

    A list that is awaited is iterated; backwards, because that is the cheapest call in CPython that gives an iterator.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, None, None]: ...
    else:
        __await__ = list.__reversed__


PARK: Final = Pause((PARKED,))
YIELD: Final = Pause((None,))


@types.coroutine
def _nothing() -> Generator[None, None, None]:
    yield


def _ended() -> Awaitable[None]:
    ended = _nothing()
    ended.close()
    return ended


# ``await READY`` does nothing: for a method that an `async with` calls and that has done its work when it returns. A
# generator that has ended, because no other object costs so little to await; one that never suspends may be shared.
READY: Final = _ended()


def checkpoint() -> Awaitable[None]:
    """Let others run, and raise a cancellation that is pending or comes meanwhile: ``await checkpoint()``.

    Raises:
        Cancelled: the surrounding scope is cancelled.

    Checkpoint: always, both a cancel point and a schedule point.
    If cancelled: nothing happened.
    """
    return YIELD  # the worker, which has the task at hand, looks whether it is cancelled


@types.coroutine
def toll() -> Generator[Marker, None, Task[Any]]:
    """The checkpoint of an operation that `charge` did not let pass; returns the running task."""
    task = current_task()  # outside of a task this is the error to get
    yield SPENT
    return task


@types.coroutine
def cancel_shielded_checkpoint() -> Generator[Marker, None, None]:
    """Let others run. Never raises a cancellation.

    Checkpoint: a schedule point only.
    If cancelled: it is raised at the next cancel point.
    """
    task = current_task()
    task.wait = SHIELDED
    yield SHIELDED
    task.wait = None


async def checkpoint_if_cancelled() -> None:
    """Raise a cancellation that is pending; never lets others run.

    Raises:
        Cancelled: the surrounding scope is cancelled.

    Checkpoint: a cancel point only.
    If cancelled: nothing happened.
    """
    scope = current_task().scope
    current_worker().budget -= 1
    if scope.cancelled:
        raise scope.cancellation()


async def checkpoint_if_due() -> None:
    """How an operation begins that need not wait: raise a pending cancellation, and let others run now and then.

    The others run only if the budget of this step is spent, as in every operation of conc. So does what is built on
    `park` keep the rule: always a cancel point, and a schedule point only where it waits.

    Raises:
        Cancelled: the surrounding scope is cancelled.

    Checkpoint: always a cancel point; a schedule point if the budget is spent.
    If cancelled: nothing happened.
    """
    charge() or await toll()


async def suspend(task: Task[Any]) -> Any:
    """Wait to be resumed. The caller has set ``task.wait``; the value is what the task was granted.

    Where memory counts, operations do the same in their own frame: ``await PARK`` and ``task.wait = None``.

    Raises:
        Cancelled: the wait was withdrawn.
    """
    await PARK
    task.wait = None
    value = task.value
    task.value = None
    return value


@types.coroutine
def park(wait: Wait, begin: Callable[[Task[Any]], object] | None = None) -> Generator[Marker, None, Any]:
    """Suspend the current task until `unpark` resumes it, and return the value given there.

    The contract: for each park, exactly one of these happens: somebody calls ``unpark(task, value)`` once, or
    ``wait.withdraw(task)``, called by the task's own worker when it is cancelled, returns True. Where the two may
    come from different threads, the wait has a lock that decides.

    Args:
        wait: an object with ``withdraw(task) -> bool`` and ``reason``.
        begin: called with the task once it may be unparked. Other threads must not learn of the task before; within
            the strand it may also be handed out earlier.

    Raises:
        Cancelled: the surrounding scope is cancelled; `begin` was not called, or the wait was withdrawn.

    Checkpoint: always a cancel point, and it waits.
    If cancelled: either `begin` was not called, or ``withdraw`` returned True; nobody will unpark the task.
    """
    try:
        worker = slot.worker
        task = worker.task  # type: ignore[union-attr]
        scope = task.scope  # type: ignore[union-attr]
    except AttributeError:
        current_task()  # says what is wrong
        raise
    worker.budget -= 1  # type: ignore[union-attr]
    if scope.cancelled:
        raise scope.cancellation()
    task.wait = wait  # type: ignore[union-attr]
    if begin is not None:
        begin(task)  # type: ignore[arg-type]
    yield PARKED
    task.wait = None  # type: ignore[union-attr]
    value = task.value  # type: ignore[union-attr]
    if value is not None:
        task.value = None  # type: ignore[union-attr]
    return value


def unpark(task: Task[Any], value: Any = None) -> None:
    """Resume a parked task with a value. From any thread; exactly once per park.

    Cost: O(1), no lock.
    """
    if value is not None:  # it is None already: a parked task that keeps a request there is resumed by its wait queue
        task.value = value
    task.wait = GRANTED
    worker = task.strand.worker
    worker.ready.append(task)  # type: ignore[union-attr]  # a task that has run has an owner
    if worker.asleep:  # type: ignore[union-attr]
        worker.ring()  # type: ignore[union-attr]
