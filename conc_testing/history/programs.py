"""Small programs for a few tasks: which of them does what, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random
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


def programs(
    calls: Mapping[str, Sequence[tuple[Any, ...]]], tasks: int, steps: int, cancel: bool, most: int, seed: int
) -> list[Program]:
    """At most so many different programs: all there are, if they are not more; else some, drawn at random.

    Args:
        calls: the operations, with the arguments to choose from.
        tasks: how many tasks.
        steps: how many steps each of them does.
        cancel: whether tasks also cancel one another.
        most: how many programs.
        seed: of the draw.
    """
    names = TASK_NAMES[:tasks]
    letters = [Step(name, args) for name, choices in calls.items() for args in choices]
    alphabets = [[*letters, *(Step(CANCEL, (other,)) for other in names if cancel and other != name)] for name in names]
    total = 1
    for alphabet in alphabets:
        total *= len(alphabet) ** steps
    if total <= 4 * most:
        every = [program for program in _all(names, alphabets, steps) if _is_sensible(program)]
        return every[:most] if len(every) <= most else Random(seed).sample(every, most)
    random = Random(seed)
    found: dict[Program, None] = {}
    for _ in range(20 * most):
        program = _numbered(names, [random.choices(alphabet, k=steps) for alphabet in alphabets])
        if _is_sensible(program):
            found[program] = None
        if len(found) == most:
            break
    return list(found)


def _all(names: str, alphabets: list[list[Step]], steps: int) -> Iterator[Program]:
    for chosen in product(*(product(alphabet, repeat=steps) for alphabet in alphabets)):
        yield _numbered(names, chosen)


def _numbered(names: str, chosen: Sequence[Sequence[Step]]) -> Program:
    """The program in which the tasks do this; what shall be unique is named by task and step."""
    numbered = (
        tuple(_filled(step, f"{name}{number}") for number, step in enumerate(steps, 1))
        for name, steps in zip(names, chosen, strict=True)
    )
    return Program(tuple(zip(names, numbered, strict=True)))


def _filled(step: Step, unique: str) -> Step:
    return Step(step.name, tuple(unique if isinstance(arg, Unique) else arg for arg in step.args))


def _is_sensible(program: Program) -> bool:
    """Whether it does something, and cancels at most twice, and only tasks that do something else than that."""
    steps = [step for _, steps in program.tasks for step in steps]
    cancelled = {step.args[0] for step in steps if step.name == CANCEL}
    acting = {name for name, mine in program.tasks if any(step.name != CANCEL for step in mine)}
    return sum(step.name == CANCEL for step in steps) <= 2 and cancelled <= acting and bool(acting)


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program that can be found by leaving something out, again and again, and that still fails."""
    while True:
        smaller = next((one for one in program.smaller() if fails(one)), None)
        if smaller is None:
            return program
        program = smaller
