"""What happened in a run, step by step: for the table and the picture of a failure, and to compare two runs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from conc.lowlevel import Instrument, Task
from conc_testing.clock import VirtualClock
from conc_testing.sim.paths import Paths
from conc_testing.sim.standing import standing


@dataclass
class Step:
    """One step of a task.

    Attributes:
        number: which step of the run, from 0.
        time: in seconds of the run.
        path: of the task.
        operation: of conc, in which the task stood: it goes on there. ``""`` for its first step.
        place: the line that called it.
        end: how the step ended: ``"goes on"``, ``"waits for ..."``, ``"returned"``, ``"raised"`` or ``"cancelled"``.
        woke: the paths of those that became ready in this step.
        notes: the deviations that were made before it.
    """

    number: int
    time: float
    path: str
    operation: str
    place: str
    end: str = ""
    woke: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Trace(Instrument):
    """Writes down the steps of a run.

    It costs more than the steps themselves, so a search runs without; what it found is run once more, with it.
    """

    def __init__(self, paths: Paths, clock: VirtualClock, deviations: list[Any]) -> None:
        self.steps: list[Step] = []
        self._paths = paths
        self._clock = clock
        self._deviations = deviations
        self._told = 0
        self._waiting: set[int] = set()

    def before_task_step(self, task: Task[Any]) -> None:
        """A step begins."""
        operation, _, place = standing(task) if task.started else ("", None, "")
        notes = tuple(str(one) for one in self._deviations[self._told :])
        self._told = len(self._deviations)
        path = self._paths.of(task)
        self.steps.append(Step(len(self.steps), self._clock.now(), path, operation, place, notes=notes))
        self._waiting = self._parked()  # whom the time or the outside has woken meanwhile, no step did

    def after_task_step(self, task: Task[Any]) -> None:
        """A step is over."""
        step = self.steps[-1]
        step.end = end_of(task)
        woken = [number for number in sorted(self._waiting - self._parked()) if number in self._paths.live]
        step.woke = tuple(self._paths.of(self._paths.live[number]) for number in woken)

    def _parked(self) -> set[int]:
        return {task.id for task in self._paths.live.values() if is_parked(task)}


def is_parked(task: Task[Any]) -> bool:
    """Whether a task waits for somebody."""
    return not task.ended and task.state.startswith("waits for")


def end_of(task: Task[Any]) -> str:
    """How the last step of a task ended."""
    if task.ended or is_parked(task):
        return task.state
    return "goes on"


class Digest(Instrument):
    """A number that tells two runs apart: of every step, whose it was, when, and how it ended.

    Attributes:
        steps: how many.
    """

    def __init__(self, paths: Paths, clock: VirtualClock) -> None:
        self.steps = 0
        self._paths = paths
        self._clock = clock
        self._hash = hashlib.sha256()

    def after_task_step(self, task: Task[Any]) -> None:
        """A step is over."""
        self.steps += 1
        self._hash.update(f"{self._clock.now()!r} {self._paths.of(task)} {plain(end_of(task))}\n".encode())

    @property
    def value(self) -> str:
        """The number, in hexadecimal digits."""
        return self._hash.hexdigest()


def plain(words: str) -> str:
    """Words without addresses and numbers of descriptors, which differ from run to run."""
    return re.sub(r"0x[0-9a-f]+|descriptor \d+", "...", words)
