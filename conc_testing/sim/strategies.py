"""Who decides what a run leaves open: strategies, each for one run.

A decision is a number below `n`; 0 is the calm one. What runs next, of several that are ready, is such a decision, and
so is whatever `choose` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from conc.lowlevel import Task
from conc_testing.sim.tape import CANCEL, RUN, Deviation

Key = tuple[str, str, int]
Candidates = Sequence[Task[Any]]
Naming = Callable[[Task[Any]], str]


class Strategy(Protocol):
    """Decides, in one run.

    Attributes:
        cancels: which tasks to cancel: by path and step, 1 on arriving there and 2 on going on.
    """

    cancels: Mapping[tuple[str, int], int]

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """Which of several tasks runs next; the first is the calm choice.

        Args:
            index: the number of the decision in this run.
            key: its address on a tape.
            tasks: who is ready.
            name: gives the path of a task.
        """

    def choose(self, index: int, key: Key, n: int) -> int:
        """Any other decision."""

    def stepped(self, task: Task[Any]) -> None:
        """`task` is about to make a step."""


class Calm:
    """Never deviates."""

    cancels: Mapping[tuple[str, int], int] = {}

    def stepped(self, task: Task[Any]) -> None:
        """Nothing to do."""

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """The first."""
        return 0

    def choose(self, index: int, key: Key, n: int) -> int:
        """The calm one."""
        return 0


class InTurns(Calm):
    """Whoever could go on without waiting lets the others run first: every operation is a switch."""

    def __init__(self) -> None:
        self._last: object = None

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """The first that did not run last."""
        chosen = 1 if tasks[0] is self._last else 0
        self._last = tasks[chosen]
        return chosen


class Positions(Calm):
    """Deviates at given decisions, counted in this run: how a search counts its way through all schedules."""

    def __init__(self, choices: Mapping[int, int]) -> None:
        self._choices = choices

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """As given."""
        return self._choices.get(index, 0) % len(tasks)

    def choose(self, index: int, key: Key, n: int) -> int:
        """As given."""
        return self._choices.get(index, 0) % n


class Scheduled(Calm):
    """Deviates as a function says, which is asked at each decision."""

    def __init__(self, decide: Callable[[int, int], int]) -> None:
        self._decide = decide

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """As the function says."""
        return self._decide(index, len(tasks)) % len(tasks)

    def choose(self, index: int, key: Key, n: int) -> int:
        """As the function says."""
        return self._decide(index, n) % n


class Replay(Calm):
    """Deviates as a tape says.

    Attributes:
        missed: deviations that could not be made: their decision came up, but not with that choice.
        made: how many were made.
    """

    def __init__(self, deviations: Iterable[Deviation]) -> None:
        self._choices: dict[Key, int | str] = {}
        cancels: dict[tuple[str, int], int] = {}
        for one in deviations:
            if one.site == CANCEL:
                cancels[one.path, one.nth] = int(one.choice)
            else:
                self._choices[one.site, one.path, one.nth] = one.choice
        self.cancels = cancels
        self.missed: list[Deviation] = []

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """As on the tape."""
        choice = self._choices.get(key)
        if choice is None:
            return 0
        for place, task in enumerate(tasks):
            if name(task) == choice:
                return place
        self.missed.append(Deviation(*key, choice))
        return 0

    def choose(self, index: int, key: Key, n: int) -> int:
        """As on the tape."""
        choice = self._choices.get(key, 0)
        if isinstance(choice, int) and 0 <= choice < n:
            return choice
        self.missed.append(Deviation(*key, choice))
        return 0


FAIR = 100  # steps that one task makes in a row although others are ready; more would be a scheduler that starves them
RARELY = 0.1  # how often what is no order of tasks deviates in a random run


class AtRandom(Calm):
    """Each of those who are ready is as likely as the others."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """Any."""
        return int(self.random.random() * len(tasks))

    def choose(self, index: int, key: Key, n: int) -> int:
        """Mostly the calm one."""
        return self.random.randrange(n) if self.random.random() < RARELY else 0


class Priorities(AtRandom):
    """PCT: the ready task of the highest priority runs; at `depth` - 1 moments of the run, it becomes the lowest.

    A bug that needs `depth` orderings is found with a probability of at least 1 / (tasks * horizon ** (depth - 1)).

    Args:
        seed: of the priorities, and of the moments.
        depth: at least 1.
        horizon: how many decisions a run has: measured in one, never guessed.

    Source: Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010.
    """

    def __init__(self, seed: int, depth: int, horizon: int) -> None:
        super().__init__(seed)
        horizon = max(horizon, 1)
        self._changes = {self.random.randrange(horizon): -rank for rank in range(1, depth)}
        self._priorities: dict[int, float] = {}
        self._lowest = -depth
        self._last = -1
        self._in_a_row = 0

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """The highest; one that never waits becomes the lowest, or those that it waits for would never run."""
        best = self._best(tasks)
        change = self._changes.pop(index, None)
        if change is None and tasks[best].id == self._last and self._in_a_row >= FAIR:
            change = self._lowest = self._lowest - 1
        if change is not None:
            self._priorities[tasks[best].id] = change
            best = self._best(tasks)
        chosen = tasks[best].id
        self._in_a_row = self._in_a_row + 1 if chosen == self._last else 1
        self._last = chosen
        return best

    def _best(self, tasks: Candidates) -> int:
        priorities = self._priorities
        for task in tasks:
            if task.id not in priorities:
                priorities[task.id] = self.random.random()
        return max(range(len(tasks)), key=lambda place: priorities[tasks[place].id])


class PartialOrder(AtRandom):
    """POS: each step that could come has a random priority; one that touches what the last step touched draws anew.

    What a step is about to touch is the object whose operation it stands in. Where that is not known, it counts as
    touching everything.

    Source: Yuan, Yang and Gu, Partial Order Aware Concurrency Sampling, CAV 2018.
    """

    def __init__(self, seed: int, touched: Callable[[Task[Any]], object]) -> None:
        super().__init__(seed)
        self._touched = touched
        self._objects: dict[int, object] = {}
        self._priorities: dict[int, float] = {}

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """The highest."""
        priorities, objects = self._priorities, self._objects
        for task in tasks:
            if task.id not in priorities:
                priorities[task.id] = self.random.random()
            if task.id not in objects:
                objects[task.id] = self._touched(task)  # until it makes a step
        best = max(range(len(tasks)), key=lambda place: priorities[tasks[place].id])
        chosen = objects[tasks[best].id]
        for task in tasks:
            touched = objects[task.id]
            if task is tasks[best] or chosen is None or touched is None or touched is chosen:
                del priorities[task.id]
        return best

    def stepped(self, task: Task[Any]) -> None:
        """What it touches next is something else."""
        self._objects.pop(task.id, None)


class Swept:
    """Another strategy, and tasks that are cancelled on the way."""

    def __init__(self, base: Strategy, cancels: Iterable[tuple[str, int, int]]) -> None:
        self.cancels: Mapping[tuple[str, int], int] = {(path, step): when for path, step, when in cancels}
        self.pick = base.pick
        self.choose = base.choose
        self.stepped = base.stepped


def alternatives_cost(site: str, alternative: int) -> int:
    """How many delays a deviation takes: to run the third of those who are ready, two have to be delayed."""
    return alternative if site == RUN else 1
