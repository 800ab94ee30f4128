"""Schedules as something that Hypothesis draws, and shrinks to the few switches that matter."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conc_testing.sim.schedule import Schedule

# Most programs in tests have few decisions, and what comes after the last one has no effect.
FEW = st.integers(0, 7) | st.integers(0, 31)
MANY = FEW | st.integers(0, 255)


def schedules(depth: int = 3, *, tasks: int = 4) -> SearchStrategy[Schedule]:
    """A strategy for Hypothesis: schedules that leave the calm order in a few places.

    They shrink towards fewer deviations, then earlier ones, and in the end to the calm ``Schedule()``. So what a
    failing test reports names the one or two switches without which it passes.

    Args:
        depth: how many deviations, at most. Few bugs need more than two.
        tasks: how many tasks may be ready at a time: a deviation chooses one of so many.

    Raises:
        ValueError, TypeError: a bad argument, which is named.
    """
    for name, value, least in (("depth", depth, 0), ("tasks", tasks, 2)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, not {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
    return sparse(depth, tasks, MANY)


@st.composite  # and not a map, which Hypothesis would show as the call of the function: a schedule shows itself
def sparse(draw: st.DrawFn, depth: int, tasks: int, steps: SearchStrategy[int]) -> Schedule:
    """A strategy: up to `depth` deviations at any of `steps`.

    Of several choices for one decision the last one counts: Hypothesis drops the others.
    """
    pairs = draw(st.lists(st.tuples(steps, st.integers(1, tasks - 1)), max_size=depth))
    return Schedule(tuple(sorted(dict(pairs).items())))
