"""Waiting for the end of a task of another strand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conc._kernel.suspend import suspend, unpark

if TYPE_CHECKING:
    from conc._kernel.task import Task


class RemoteJoin:
    """The wait of a task of one strand for the end of a task of another: decided in the strand of that task.

    The news comes as a message to the strand of the waiting task, behind the cancellation that the end may have caused
    there: so an error that cancels the nursery of both is reported once.
    """

    __slots__ = ("_joined", "_task", "_waits")

    def __init__(self, joined: Task[Any], task: Task[Any]) -> None:
        self._joined = joined
        self._task = task
        self._waits = True

    @property
    def reason(self) -> str:
        """For people."""
        return self._joined.reason

    async def wait(self) -> None:
        """Ask the owner of the task, and wait for the answer."""
        self._task.wait = self
        self._joined.strand.post(self._arrive)
        await suspend(self._task)

    # ---- in the strand of the task that ends ----------------------------------------------------------------------

    def _arrive(self) -> None:
        joined = self._joined
        nursery = joined.parent_nursery
        if not joined.ended:
            if joined._joiners is None:
                joined._joiners = {}
            joined._joiners[self] = None
        elif nursery is not None and nursery.parallel:
            nursery.strand.post(self.tell)  # behind the message of the end, which may cancel the nursery
        else:
            self.tell()

    def _forget(self) -> None:
        joiners = self._joined._joiners
        if joiners is not None:
            joiners.pop(self, None)

    def tell(self) -> None:
        """The task has ended, and its nursery knows."""
        self._task.strand.post(self._wake)

    # ---- in the strand of the task that waits ---------------------------------------------------------------------

    def _wake(self) -> None:
        if self._waits:
            self._waits = False
            unpark(self._task)

    def withdraw(self, task: Task[Any]) -> bool:
        """The waiting task was cancelled."""
        if self._waits:
            self._waits = False
            self._joined.strand.post(self._forget)
            return True
        return False
