"""Which runs a search makes: phases, each of which says what the next runs are, and learns from what they came to.

A run is described by a few words that another process understands, its `Recipe`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from conc_testing.sim.paths import BESIDE
from conc_testing.sim.simulation import Outcome
from conc_testing.sim.standing import touched
from conc_testing.sim.strategies import (
    AtRandom,
    Calm,
    InTurns,
    PartialOrder,
    Positions,
    Priorities,
    Replay,
    Strategy,
    Swept,
    alternatives_cost,
)
from conc_testing.sim.tape import ARRIVING, GOING_ON, RESTING, Deviation

CALM: Final = "calm"
TURNS: Final = "turns"


Cancel = tuple[str, int, int]


@dataclass(frozen=True)
class Recipe:
    """How to make the strategy of one run.

    Attributes:
        kind: ``"calm"``, ``"turns"``, ``"delay"``, ``"random"``, ``"pct"``, ``"pos"`` or ``"tape"``.
        seed: of what is random.
        choices: for ``"delay"``: which alternative at which decision.
        depth: for ``"pct"``.
        horizon: for ``"pct"``.
        cancels: tasks, for each one of its steps, and when: on arriving (1) or on going on (2).
        tape: for ``"tape"``.
    """

    kind: str = CALM
    seed: int = 0
    choices: tuple[tuple[int, int], ...] = ()
    depth: int = 1
    horizon: int = 1
    cancels: tuple[Cancel, ...] = ()
    tape: tuple[Deviation, ...] = ()

    def strategy(self) -> Strategy:
        """A new one."""
        base: Strategy
        match self.kind:
            case "turns":
                base = InTurns()
            case "delay":
                base = Positions(dict(self.choices))
            case "random":
                base = AtRandom(self.seed)
            case "pct":
                base = Priorities(self.seed, self.depth, self.horizon)
            case "pos":
                base = PartialOrder(self.seed, touched)
            case "tape":
                base = Replay(self.tape)
            case _:
                base = Calm()
        return Swept(base, self.cancels) if self.cancels else base


class Unsteady(Exception):
    """A run did not begin as the one that it was to vary."""


Batch = list[Recipe]
Choices = tuple[tuple[int, int], ...]
Only = Container[tuple[str, str]]
Results = Sequence[tuple[Recipe, Outcome[object]]]


class Delays:
    """All schedules with at most `bound` delays, those with fewer first: if it ends, that is proved.

    A delay lets the task that would run next wait until all that are ready have had their turn; other decisions cost
    one for each that is not calm. Each schedule is run once: it is its deviations, at decisions counted from the
    beginning, and a run with one more deviates behind its last.

    Args:
        bound: how many delays.
        cancels: what is cancelled in each of the runs.
        only: the sites and paths of the decisions that may deviate; each deviation then counts as one. None: of all.

    Source: Emmi, Qadeer and Rakamaric, Delay-Bounded Scheduling, POPL 2011.
    """

    def __init__(self, bound: int, cancels: tuple[Cancel, ...] = (), only: Only | None = None) -> None:
        self.name = f"delay<={bound}"
        self.proved: int | None = None  # all with at most so many delays were run
        self._bound = bound
        self._cancels = cancels  # in each of the runs
        self._only = only
        self._known: dict[Choices, tuple[int, Outcome[object]]] = {}  # those to be varied, and what they cost

    def batches(self) -> Iterator[Batch]:
        """What to run next; `learn` is called with what came of each batch before the next is asked for."""
        yield [Recipe("delay", cancels=self._cancels)]
        self.proved = 0
        for bound in range(1, self._bound + 1):
            for choices, (cost, outcome) in list(self._known.items()):
                batch = [
                    Recipe("delay", choices=(*choices, (place, alternative)), cancels=self._cancels)
                    for place, alternative in self._next(choices, bound - cost, outcome)
                ]
                if batch:
                    yield batch
            self.proved = bound

    def _next(self, choices: Choices, cost: int, outcome: Outcome[object]) -> Iterator[tuple[int, int]]:
        """One more deviation that costs exactly `cost`."""
        first = choices[-1][0] + 1 if choices else 0
        for place in range(first, len(outcome.sizes)):
            if self._only is not None and outcome.addresses[place][:2] not in self._only:
                continue
            site, count = outcome.sizes[place]
            for alternative in range(1, count):
                if self._cost(site, alternative) == cost:
                    yield place, alternative

    def _cost(self, site: str, alternative: int) -> int:
        return alternatives_cost(site, alternative) if self._only is None else 1

    def learn(self, results: Results) -> None:
        """What these runs came to.

        Raises:
            Unsteady: up to its last deviation, a run is not the same as the one without that.
        """
        for recipe, outcome in results:
            sizes = outcome.sizes
            cost = 0
            if recipe.choices:
                *before, (place, alternative) = recipe.choices
                cost, parent = self._known[tuple(before)]
                if sizes[: place + 1] != parent.sizes[: place + 1]:
                    raise Unsteady(f"the first {place + 1} decisions of a run were others when they came again")
                cost += self._cost(sizes[place][0], alternative)
            if cost < self._bound:
                self._known[recipe.choices] = cost, replace(outcome, value=None, error=None, trace=[])


class Draws:
    """Runs that are drawn at random, without end: ``"random"``, ``"pct"`` or ``"pos"``."""

    proved = None

    def __init__(self, kind: str, seed: int, depth: int = 1) -> None:
        self.name = kind if kind != "pct" else f"pct:d={depth}"
        self._kind = kind
        self._seed = seed
        self._depth = depth
        self._horizon = 1

    def batches(self) -> Iterator[Batch]:
        """As `Delays.batches`."""
        number = 0
        if self._kind == "pct":
            yield [Recipe()]  # measures the horizon
        while True:
            yield [
                Recipe(self._kind, seed=seed_of(self._seed, number + k), depth=self._depth, horizon=self._horizon)
                for k in range(BATCH)
            ]
            number += BATCH

    def learn(self, results: Results) -> None:
        """As `Delays.learn`."""
        self._horizon = max(self._horizon, *(len(outcome.sizes) for _, outcome in results))


def seed_of(seed: int, number: int) -> int:
    """The seed of one run of many: searches with other seeds draw other runs."""
    return seed * 1_000_003 + number


BATCH: Final = 16
RANDOM_ORDERS: Final = 2  # of a sweep, beside the calm one and that in turns


class CancelSweep:
    """Cancels each task once, at each of its steps: on arriving there, on going on, and while all rest. In several base
    orders.

    A task that conc has started, as `join` does for each of its functions, nobody cancels alone: in its place that one
    is cancelled which has called conc.
    """

    def __init__(self, seed: int, wanted: str) -> None:
        self.name = "cancel sweep"
        self.proved: int | None = None
        self._orders = base_orders(seed)
        self._wanted = wanted
        self._runs: list[Outcome[object]] = []

    def batches(self) -> Iterator[Batch]:
        """As `Delays.batches`."""
        yield self._orders
        paths = {path for run in self._runs for path in run.steps_of}
        if not any(matches(path, self._wanted) for path in paths):
            raise ValueError(f"sweep_tasks: no task is called {self._wanted!r}; there are {', '.join(sorted(paths))}")
        for order, run in zip(self._orders, list(self._runs), strict=True):
            for path, count in run.steps_of.items():
                if matches(path, self._wanted) and not path.startswith(BESIDE):
                    yield [
                        Recipe(order.kind, order.seed, cancels=((path, step, when),))
                        for step in range(count)
                        for when in moments_of(step, run.rests.get((path, step), 0))
                    ]
        self.proved = 1

    def learn(self, results: Results) -> None:
        """As `Delays.learn`."""
        if not self._runs:
            self._runs = [outcome for _, outcome in results]


def moments_of(step: int, rests: int) -> Iterator[int]:
    """When to cancel a task at a step before which the program came to rest so many times: of these the first, when
    nobody may stand behind it yet, and the last."""
    if step:
        yield ARRIVING
    yield GOING_ON
    if rests:
        yield RESTING
    if rests > 1:
        yield RESTING + rests - 1


class FaultSweep:
    """Lets each call fail once that may fail. In several base orders."""

    def __init__(self, seed: int) -> None:
        self.name = "fault sweep"
        self.proved: int | None = None
        self._orders = base_orders(seed)
        self._runs: list[Outcome[object]] = []

    def batches(self) -> Iterator[Batch]:
        """As `Delays.batches`."""
        yield self._orders
        for outcome in list(self._runs):
            calls = [address for address in outcome.addresses if address[0].startswith("fault.")]
            if calls:
                yield [Recipe("tape", tape=(*outcome.deviations, Deviation(*call, 1))) for call in calls]
        self.proved = 1

    def learn(self, results: Results) -> None:
        """As `Delays.learn`."""
        if not self._runs:
            self._runs = [outcome for _, outcome in results]


Phase = Delays | Draws | CancelSweep | FaultSweep


def base_orders(seed: int) -> list[Recipe]:
    """In which orders the tasks run where something is swept over."""
    return [Recipe(), Recipe(TURNS), *(Recipe("random", seed=seed_of(seed, k)) for k in range(RANDOM_ORDERS))]


def matches(path: str, wanted: str) -> bool:
    """Whether a task is meant: by its path, or the last part of it, with ``*`` for anything."""
    return fnmatchcase(path, wanted) or fnmatchcase(path.rpartition(":")[2], wanted)


def phases_of(plan: Sequence[str], seed: int, cancel: str | None, faults: str | None, sweep_tasks: str) -> list[Phase]:
    """The phases that a plan names.

    Raises:
        ValueError: there is no such phase.
        TypeError: these are no words.
    """
    if isinstance(plan, str) or not all(isinstance(words, str) for words in plan):
        raise TypeError(f'plan must be several words, as ("delay<=2", "random"), not {plan!r}')
    phases: list[Phase] = []
    if cancel is not None:
        phases.append(CancelSweep(seed, sweep_tasks))
    if faults is not None:
        phases.append(FaultSweep(seed))
    for words in plan:
        name, _, number = words.replace(" ", "").partition("<=" if words.startswith("delay") else ":d=")
        if name == "delay" and number.isdigit():
            phases.append(Delays(int(number)))
        elif name == "pct" and (number.isdigit() or not number):
            phases.append(Draws("pct", seed, int(number or 3)))
        elif name in {"random", "pos"} and not number:
            phases.append(Draws(name, seed))
        else:
            raise ValueError(
                f'plan: there is no {words!r}; there are "delay<=2" (any number), "random", "pct:d=3", "pos"'
            )
    return phases
