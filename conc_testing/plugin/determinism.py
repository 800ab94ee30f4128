"""Whether a scenario does the same each time: a few runs are made twice, and compared step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import zip_longest
from typing import Any, Final

from conc_testing.sim.plan import Recipe
from conc_testing.sim.simulation import Conditions, simulate
from conc_testing.sim.trace import Step, plain

RANDOM_RUNS: Final = 3


def first_difference(scenario: Callable[..., Awaitable[object]], conditions: Conditions) -> str | None:
    """Where two runs that should be the same differ first, in words; None if none was found.

    The calm run is compared, one in which all take turns, and some in random order.
    """
    seed = conditions.seed
    recipes = [Recipe(), Recipe("turns"), *(Recipe("random", seed=seed + k) for k in range(RANDOM_RUNS))]
    for recipe in recipes:
        first, second = (simulate(scenario, recipe.strategy(), conditions, trace=True) for _ in range(2))
        for one, other in zip_longest(first.trace, second.trace):
            if one is None or other is None or told(one) != told(other):
                number = (one or other).number
                return (
                    f"the run in order {recipe.kind!r} was made twice, and differs from step {number} on:\n"
                    f"  first:  {words_of(one)}\n  second: {words_of(other)}"
                )
        if repr(first.error) != repr(second.error):
            return (
                f"the run in order {recipe.kind!r} was made twice, and ends in different ways:\n"
                f"  first:  {first.error!r}\n  second: {second.error!r}"
            )
    return None


def told(step: Step) -> tuple[Any, ...]:
    """What must be the same: all but what differs from run to run without meaning anything."""
    return step.time, step.path, step.operation, step.place, plain(step.end), step.woke


def words_of(step: Step | None) -> str:
    """A step in words."""
    if step is None:
        return "the run has ended"
    where = f" in {step.operation}" if step.operation else ""
    return f"{step.path} at {step.time:.6g} s{where} ({step.place or 'its first step'}), which {step.end}"
