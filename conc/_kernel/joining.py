"""Waiting for the end of a task: as a branch of a select, and from another strand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from conc._kernel.operation import LATER, Operation
from conc._kernel.suspend import Marker, suspend

if TYPE_CHECKING:
    from conc._kernel.choosing import Branch
    from conc._kernel.strand import Strand
    from conc._kernel.task import Task
    from conc._kernel.waitqueue import Waiter

T = TypeVar("T")

ITSELF: Final = Marker("ITSELF")


class Joiner(Protocol):
    """Who waits for the end of a task, in the strand of that task."""

    def tell(self) -> None:
        """The task has ended, and its nursery knows."""


class RemoteJoin:
    """The wait of a task of one strand for the end of a task of another: decided in the strand of that task.

    The news comes as a message to the strand of who waits, behind the cancellation that the end may have caused there:
    so an error that cancels the nursery of both is reported once.

    Args:
        joined: the task that is to end.
        joiner: who waits: a task, or a branch of its select.
        strand: where that task lives.
    """

    __slots__ = ("_joined", "_joiner", "_strand", "_waits")

    def __init__(self, joined: Task[Any], joiner: Joiner, strand: Strand) -> None:
        self._joined = joined
        self._joiner = joiner
        self._strand = strand
        self._waits = True

    @property
    def reason(self) -> str:
        """For people."""
        return self._joined.reason

    @property
    def blockers(self) -> tuple[Task[Any]]:
        """Who has to end before the wait can."""
        return (self._joined,)

    def ask(self) -> None:
        """Ask the owner of the task to tell of its end."""
        self._joined.strand.post(self._arrive)

    async def wait(self, task: Task[Any]) -> None:
        """Ask, and wait for the answer."""
        task.wait = self
        self.ask()
        await suspend(task)

    # ---- in the strand of the task that ends ----------------------------------------------------------------------

    def _arrive(self) -> None:
        tell_of_end(self._joined, self)

    def _forget(self) -> None:
        self._joined.drop_joiner(self)

    def tell(self) -> None:
        """The task has ended, and its nursery knows."""
        self._strand.post(self._wake)

    # ---- in the strand of who waits -------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._waits:
            self._waits = False
            self._joiner.tell()

    def withdraw(self, task: Task[Any]) -> bool:
        """`task`, which waits, was cancelled, or its select decided by another branch."""
        if self._waits:
            self._waits = False
            self._joined.strand.post(self._forget)
            return True
        return False


class Joining(Operation[T]):
    """The join of a task as a branch of a select."""

    __slots__ = ("_task",)

    def __init__(self, task: Task[T]) -> None:
        self._task = task

    @property
    def reason(self) -> str:
        """As that of who joins."""
        return self._task.reason

    def attempt(self, party: Any, woken: list[Waiter]) -> Any:
        """Whether it has ended."""
        task = self._task
        if party is task:
            return ITSELF
        return None if task.has_ended_for(party.strand) else LATER

    def enter(self, branch: Branch) -> None:
        """Join."""
        task = self._task
        strand = branch.party.strand
        if strand is task.strand:
            task.add_joiner(branch)
        else:
            branch.value = join = RemoteJoin(task, branch, strand)
            join.ask()

    def leave(self, branch: Branch) -> None:
        """Join no more."""
        task = self._task
        if branch.party.strand is task.strand:
            task.drop_joiner(branch)
        else:
            branch.value.withdraw(branch.party)

    def finish(self, granted: Any) -> T:
        """Its value, or the error of `join`."""
        if granted is ITSELF:
            raise joins_itself(self._task)
        return self._task.join_nowait()


def joins_itself(task: Task[Any]) -> RuntimeError:
    """The error for a task that waits for its own end."""
    return RuntimeError(f"{task!r} joins itself, which could never end; join it from another task")


def tell_of_end(joined: Task[Any], joiner: Joiner) -> None:
    """Tell `joiner` of the end of a task, which may have come already. In the strand of the task."""
    nursery = joined.parent_nursery
    if not joined.ended:
        joined.add_joiner(joiner)
    elif nursery is not None and nursery.parallel:
        nursery.strand.post(joiner.tell)  # behind the message of the end, which may cancel the nursery
    else:
        joiner.tell()


def tell_joiners(joiners: Iterable[Joiner]) -> None:
    """Let those go on who waited for the end of a task."""
    for joiner in joiners:
        joiner.tell()
