"""Small programs for a few tasks: which of them does what, one thing after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from string import ascii_uppercase
from typing import Any, Final

TASK_NAMES: Final = ascii_uppercase
CANCEL: Final = "cancel"


class Unique:
    """The class of `UNIQUE`."""

    def __repr__(self) -> str:
        return "UNIQUE"


UNIQUE: Final = Unique()
"""Among the arguments of an operation for `check_primitive`: one that is never the same, ``"A1"`` say."""


@dataclass(frozen=True)
class Step:
    """One thing to do: an operation with its arguments; or, named `CANCEL`, to cancel what another task is at."""

    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True)
class Program:
    """What each task does, in order; tasks are named by letters."""

    tasks: tuple[tuple[str, tuple[Step, ...]], ...]

    def smaller(self) -> Iterator[Program]:
        """Programs with one task less, then those with one step less, then with two."""
        for name, _ in self.tasks:
            if len(self.tasks) > 1:
                yield self._without((name, index) for index in range(len(dict(self.tasks)[name])))
        places = [(name, index) for name, steps in self.tasks for index in range(len(steps))]
        for count in (1, 2):
            for left_out in combinations(places, count):
                if count < len(places):
                    yield self._without(left_out)

    def _without(self, left_out: Iterable[tuple[str, int]]) -> Program:
        """Without these steps, those that cancel a task of which nothing is left, and tasks that have nothing to do."""
        gone = set(left_out)
        kept = {
            name: [step for index, step in enumerate(steps) if (name, index) not in gone] for name, steps in self.tasks
        }
        while True:
            acting = {name for name, steps in kept.items() if steps}
            sensible = {
                name: [step for step in kept[name] if step.name != CANCEL or step.args[0] in acting] for name in acting
            }
            if sensible == kept:
                return Program(tuple((name, tuple(kept[name])) for name, _ in self.tasks if name in kept))
            kept = sensible

    def __str__(self) -> str:
        return "\n".join(f"  {name}: {'; '.join(map(str, steps))}" for name, steps in self.tasks)


def alphabet(calls: Mapping[str, Sequence[tuple[Any, ...]]], name: str, others: str, cancel: bool) -> list[Step]:
    """All that the task `name` may do, with these arguments to choose from; if it may `cancel`, to these others."""
    letters = [Step(operation, args) for operation, choices in calls.items() for args in choices]
    return letters + [Step(CANCEL, (other,)) for other in others if cancel and other != name]


def all_programs(alphabets: Mapping[str, Sequence[Step]], steps: int, most: int) -> list[Program] | None:
    """All programs in which each task does so many steps; None if they are more than `most`."""
    total = math.prod(len(letters) ** steps for letters in alphabets.values())
    if total > most:
        return None
    every = product(*(product(letters, repeat=steps) for letters in alphabets.values()))
    return [program_of(dict(zip(alphabets, chosen, strict=True))) for chosen in every]


def program_of(steps: Mapping[str, Sequence[Step]]) -> Program:
    """The program in which the tasks do this."""
    return Program(
        tuple(
            (name, tuple(filled(step, name, number) for number, step in enumerate(mine, 1)))
            for name, mine in steps.items()
            if mine
        )
    )


def filled(step: Step, name: str, number: int) -> Step:
    """A step, with what shall be unique named by the task and the number of the step."""
    return Step(step.name, tuple(f"{name}{number}" if isinstance(arg, Unique) else arg for arg in step.args))


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program that can be found by leaving something out, again and again, and that still fails."""
    while True:
        smaller = next((one for one in program.smaller() if fails(one)), None)
        if smaller is None:
            return program
        program = smaller
