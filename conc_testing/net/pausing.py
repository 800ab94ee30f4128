"""Keeping tasks from running, in a run that nobody else directs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from conc.lowlevel import Director, Task

Belongs = Callable[[Task[Any]], bool]


class Pausing(Director):
    """Lets tasks run as they come, but for those that are paused.

    Attributes:
        is_asked: whether it directs a run.

    Invariant: who stands on the shelf was ready to run while it was paused.
    """

    preemptive = False

    def __init__(self) -> None:
        self.is_asked = False
        self._paused: list[Belongs] = []
        self._shelf: list[Task[Any]] = []

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        """The first."""
        self.is_asked = True
        return 0

    @property
    def shelving(self) -> bool:  # type: ignore[override]
        """Whether somebody is paused."""
        return bool(self._paused)

    def shelve(self, task: Task[Any]) -> bool:
        """Whether a task is paused; then it is kept until it is resumed."""
        if any(belongs(task) for belongs in self._paused):
            self._shelf.append(task)
            return True
        return False

    def pause(self, belongs: Belongs) -> None:
        """Run no task of which `belongs(task)` is true, until `resume` is called with the same function."""
        self._paused.append(belongs)

    def resume(self, belongs: Belongs) -> None:
        """Let them run again."""
        self._paused.remove(belongs)
        shelf, self._shelf = self._shelf, []
        for task in shelf:
            if not task.ended:
                task.resume()
