"""Which task is which, from run to run: by the way it was started, not by a number that depends on the order."""

from __future__ import annotations

import re
from typing import Any

from conc.lowlevel import Instrument, Task

MAIN = "main"
BESIDE = "beside"


class Paths(Instrument):
    """Names for the tasks of one run: ``main/0:server/3:handler`` is the fourth child that the first child of main had.

    Attributes:
        live: the tasks that have not ended, by number.
    """

    def __init__(self) -> None:
        self.live: dict[int, Task[Any]] = {}
        self._paths: dict[int, str] = {}
        self._births: dict[str, int] = {}
        self._helpers: set[int] = set()

    def task_spawned(self, task: Task[Any]) -> None:
        """A task was started."""
        nursery = task.parent_nursery
        parent = None if nursery is None else nursery.parent_task
        if parent is not None:
            above = self._paths.get(parent.id, "lost")
        elif not self._paths:
            above = ""
        else:
            above = BESIDE
        if not above:
            path = MAIN
        else:
            number = self._births.get(above, 0)
            self._births[above] = number + 1
            path = f"{above}/{number}:{plain_name(task.name)}"
        self._paths[task.id] = path
        self.live[task.id] = task

    def task_exited(self, task: Task[Any]) -> None:
        """A task has ended."""
        self.live.pop(task.id, None)

    def responsible_for(self, task: Task[Any]) -> Task[Any] | None:
        """Whom the program would cancel to cancel a task: itself, or if conc has started it, who has called conc."""
        one: Task[Any] | None = task
        while one is not None and one.id in self._helpers:
            one = None if one.parent_nursery is None else one.parent_nursery.parent_task
        return one

    def of(self, task: Task[Any]) -> str:
        """The path of a task; that of one which nobody has seen start tells its number."""
        return self._paths.get(task.id) or f"unseen/{task.id}"


def plain_name(name: str) -> str:
    """A name without the parts that say where it is defined, and without what has a meaning in paths."""
    return re.sub(r"[/:\s]", "_", re.sub(r"[\w.<>]*\.(?=\w)", "", name) or name)
