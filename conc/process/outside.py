"""A process as somebody outside who may wake a task: for virtual time, which waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conc.io.pollable import Pollable

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._kernel.task import Task
    from conc._os.children import Child


class Outside:
    """A process is real, also in a program whose time is virtual: it takes as long as it takes.

    So virtual time stands still while a task waits for its end, for what it writes, or for room to write to it; as for
    a job in a thread. A `conc._kernel.crew.Waker`, in the books as long as the block of the process lasts.
    """

    __slots__ = ("_child", "_crew", "_doors", "_leads", "_program", "task")

    def __init__(self, crew: Crew, task: Task[Any], child: Child, doors: Sequence[Pollable], program: str) -> None:
        self._crew = crew
        self._child = child
        self._doors = doors
        self._program = program
        self.task = task
        crew.wakers[self] = self

    @property
    def reason(self) -> str:
        """For people."""
        return f"process {self._child.pid} ({self._program})"

    @property
    def may_wake(self) -> bool:
        """Whether somebody waits for it."""
        return any(
            direction is not None and direction.task is not None
            for door in self._doors
            for direction in (door._reading, door._writing)
        )

    def abandon(self) -> None:
        """The task that started it was killed, and so is the process."""
        self.leave()
        self._child.abandon(group=self._child.leads)

    def leave(self) -> None:
        """The block of the process ends."""
        self._crew.wakers.pop(self, None)
