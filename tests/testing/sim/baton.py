"""Running a program with its thread jobs as steps of tasks, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import conc
from conc.lowlevel import Director, Instrument, Task
from conc_testing import VirtualClock
from conc_testing.sim.offload import install

T = TypeVar("T")

PATIENCE = 10.0  # seconds until something that does not happen is a failure


class Shuffle(Director):
    """Picks at random, after every operation."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        return self._random.randrange(len(candidates))


class Steps(Instrument):
    """The names of the tasks in the order of their steps."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def before_task_step(self, task: Task[Any]) -> None:
        self.names.append(task.name)


def simulated(clock: VirtualClock | None = None, seed: int = 0, **options: Any) -> conc.Runtime:
    """A runtime whose thread jobs are steps of tasks."""
    runtime = conc.Runtime(clock=clock or VirtualClock(), policy=Shuffle(seed), **options)
    install(runtime)
    return runtime


def run(main: Callable[..., Awaitable[T]], *args: Any, clock: VirtualClock | None = None, **options: Any) -> T:
    """`conc.run` with such a runtime."""
    return simulated(clock, **options).run(main, *args)
