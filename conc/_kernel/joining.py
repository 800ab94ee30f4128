"""Waiting for the end of a task of another strand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conc._kernel.suspend import suspend, unpark

if TYPE_CHECKING:
    from conc._kernel.task import Task


class RemoteJoin:
    """The wait of a task of one strand for the end of a task of another: whoever takes the claim decides."""

    __slots__ = ("_claim", "_joined", "_task")

    def __init__(self, joined: Task[Any], task: Task[Any]) -> None:
        self._joined = joined
        self._task = task
        self._claim = [None]  # popped once, which is atomic

    @property
    def reason(self) -> str:
        """For people."""
        return self._joined.reason

    async def wait(self) -> None:
        """Ask the owner of the task, and wait for the answer."""
        self._task.wait = self
        self._joined.strand.post(self._arrive)
        await suspend(self._task)

    def _arrive(self) -> None:
        joined = self._joined
        nursery = joined.parent_nursery
        if joined.ended:
            if nursery is not None and nursery.parallel:
                nursery.strand.post(self.tell)  # behind the message of the end, which may cancel the nursery
            else:
                self.tell()
        elif self._claim:
            if joined._joiners is None:
                joined._joiners = {}
            joined._joiners[self] = None

    def tell(self) -> None:
        """The task has ended."""
        if self._decide():
            unpark(self._task)

    def withdraw(self, task: Task[Any]) -> bool:
        """The waiting task was cancelled."""
        if not self._decide():
            return False
        self._joined.strand.post(self._forget)
        return True

    def _forget(self) -> None:
        joiners = self._joined._joiners
        if joiners is not None:
            joiners.pop(self, None)

    def _decide(self) -> bool:
        try:
            self._claim.pop()
        except IndexError:
            return False
        return True
