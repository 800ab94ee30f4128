"""Running a test's program on virtual time under a director."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import conc
from conc.lowlevel import Director, Task
from conc_testing import VirtualClock


def direct(main: Callable[..., Awaitable[Any]], director: Director, *args: Any, **options: Any) -> Any:
    """`conc.run` on virtual time, under a director."""
    return conc.run(main, *args, clock=VirtualClock(), policy=director, **options)


def names(tasks: Sequence[Task[Any]]) -> list[str]:
    """What tasks are called."""
    return [task.name for task in tasks]


async def start_named(*tasks: tuple[str, Callable[[], Awaitable[object]]]) -> None:
    """Start some tasks, and wait for them."""
    async with conc.open_nursery() as nursery:
        for name, function in tasks:
            nursery.start_soon(function, name=name)


class Recorder(Director):
    """Picks as it is told, and writes down whom it could have picked."""

    def __init__(self, *picks: int) -> None:
        self.picks = list(picks)
        self.seen: list[list[str]] = []

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        self.seen.append(names(candidates))
        return self.picks.pop(0) if self.picks else 0


def run_whole(runtime: conc.Runtime, main: Callable[[], Awaitable[object]]) -> None:
    """In one go."""
    runtime.run(main)


def run_by_steps(runtime: conc.Runtime, main: Callable[[], Awaitable[object]]) -> None:
    """Step by step."""
    runtime.start(main)
    while runtime.step():
        pass
